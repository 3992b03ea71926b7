//! Compares guarded kernels with the same kernel driven by Jupyter's own client: start, and the round trip of a trivial cell. The two take
//! turns, so that a busy machine is as busy for both.
//!
//! `cargo run -p quire-execution --example round_trip -- target/debug/kernel-host PYTHON`

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quire_execution::{
    Execution, GuardedKernels, Kernel, KernelEvent, KernelOptions, KernelProgram, KernelProvider as _, KernelRequest,
};

const ROUNDS: usize = 300;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [guardian, python] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: round_trip GUARDIAN PYTHON".into());
    };
    let mut options = KernelOptions::new(guardian.into(), KernelProgram::Python(python.into()));
    options.warm_kernels = 1;
    let kernels = GuardedKernels::new(options.clone());
    let request = KernelRequest { user: "ann".to_owned(), notebook: "demo".to_owned() };

    // One is started ahead from now on.
    let mut kernel = kernels.start(&request).await?;
    run(&mut kernel).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let since = Instant::now();
    let mut warm = kernels.start(&request).await?;
    run(&mut warm).await?;
    println!("first run, started ahead: {:.0} ms", since.elapsed().as_secs_f64() * 1e3);
    drop((warm, kernels));

    options.warm_kernels = 0;
    let kernels = GuardedKernels::new(options);
    let since = Instant::now();
    let mut kernel = kernels.start(&request).await?;
    run(&mut kernel).await?;
    println!("first run, started for it: {:.0} ms", since.elapsed().as_secs_f64() * 1e3);

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/round_trip.py");
    let mut client = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(mut input), Some(output)) = (client.stdin.take(), client.stdout.take()) else {
        return Err("no pipes".into());
    };
    let mut times = BufReader::new(output).lines();
    let mut time = || -> Result<f64, Box<dyn Error>> { Ok(times.next().ok_or("the client ended")??.parse()?) };
    println!("first run with jupyter_client: {:.0} ms", time()? * 1e3);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let since = Instant::now();
        run(&mut kernel).await?;
        ours.push(since.elapsed().as_secs_f64());
        writeln!(input, "run")?;
        theirs.push(time()?);
    }
    drop(input);
    client.wait()?;
    for (name, times) in [("guarded", &mut ours), ("jupyter_client", &mut theirs)] {
        times.sort_by(f64::total_cmp);
        println!("{name}: p50 {:.2} ms, p95 {:.2} ms", times[ROUNDS / 2] * 1e3, times[ROUNDS * 95 / 100] * 1e3);
    }
    println!("all processes of the kernel: {} KiB", kernel.memory_bytes() / 1024);
    Ok(())
}

async fn run(kernel: &mut Box<dyn Kernel>) -> Result<(), Box<dyn Error>> {
    kernel.execute(Execution { code: "1", position: Some(1) }).await;
    loop {
        match kernel.next_event().await {
            KernelEvent::Finished { .. } => return Ok(()),
            KernelEvent::Ended(reason) => return Err(reason.into()),
            _ => {}
        }
    }
}
