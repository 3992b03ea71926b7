//! Executing code, and what comes of it.

use quire_execution::{Execution, KernelEvent, Outcome};

use crate::kernels::{Kernels, next, rest, run};

#[tokio::test]
async fn code_is_executed_in_one_namespace_and_told_in_order() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "x = 20").await;
    assert_eq!((ran.outcome, ran.stdout.as_str(), ran.outputs.len()), (Some(Outcome::Success), "", 0));
    kernel.execute(Execution { code: "print('one')\ndisplay('two')\nprint('three')\nx + 1", position: Some(2) }).await;
    let mut events = Vec::new();
    loop {
        match next(&mut kernel).await {
            KernelEvent::Stdout(text) => events.push(text),
            KernelEvent::Output(output) => events.push(output.data.as_str().to_owned()),
            KernelEvent::Finished { outcome, .. } => {
                assert_eq!(outcome, Outcome::Success);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events, ["one\n", r#""'two'""#, "three\n", r#""21""#]);
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn an_error_is_its_traceback_and_a_syntax_error_its_line() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    run(&mut kernel, "def f():\n    return 1/0").await;
    kernel.execute(Execution { code: "f()", position: Some(7) }).await;
    let ran = rest(&mut kernel).await;
    let error = ran.error();
    assert!(error.ends_with("ZeroDivisionError: division by zero"), "{error}");
    assert!(error.contains("File Cell[7], line 1\n----> 1 f()"), "{error}");
    // The text of the older code, which the same position had.
    assert!(error.contains("File Cell[1], line 2, in f()\n      1 def f():\n----> 2     return 1/0"), "{error}");
    for (code, expected) in [
        ("a = 1\nif a ==\n  3", "SyntaxError on line 2: invalid syntax\n    if a ==\n           ^"),
        ("  x = 1\n y = 2", "SyntaxError on line 1: unexpected indent\n    x = 1"),
        (
            "def f():\nreturn 1",
            "SyntaxError on line 2: expected an indented block after function definition on line 1\n    return 1\n    ^",
        ),
    ] {
        assert_eq!(run(&mut kernel, code).await.error(), expected);
    }
    for (code, end) in [
        ("input()", "this frontend does not support input requests."),
        ("raise SystemExit(3)", "SystemExit: 3\n"),
        ("exec('a b')", "File <string>:1\n    a b\n      ^\nSyntaxError: invalid syntax\n"),
        ("raise ValueError('a\\x1b[31mred\\x1b[0m \\x00')", "ValueError: ared \0"),
    ] {
        let ran = run(&mut kernel, code).await;
        assert!(ran.error().ends_with(end), "{code}: {}", ran.error());
    }
    drop(kernel);
    kernels.end().await;
}
