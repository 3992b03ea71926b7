//! What cells show.

use quire_domain::limits::{OUTPUTS_BYTES, STDOUT_BYTES};
use quire_execution::{Execution, KernelEvent, Outcome};

use crate::kernels::{Kernels, next, rest, run};

#[tokio::test]
async fn a_value_is_one_output_in_its_richest_form() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    for (code, shown) in [
        ("1 + 1", r#"text/plain: "2""#),
        ("None", ""),
        ("'a'; None", ""),
        ("from IPython.display import HTML\nHTML('<b>x</b>')", r#"text/html: "<b>x</b>""#),
        ("from IPython.display import JSON\nJSON({'b': [1], 'a': None})", r#"application/json: {"b": [1], "a": null}"#),
        ("display({'text/plain': 'x', 'image/svg+xml': '<svg/>'}, raw=True)", r#"image/svg+xml: "<svg/>""#),
        (
            "display({'text/plain': 'x', 'application/vnd.vegalite.v5.json': {}}, raw=True)",
            "application/vnd.vegalite.v5+json: {}",
        ),
        ("display({'text/plain': 'x', 'image/svg+xml\\0': 'y'}, raw=True)", r#"text/plain: "x""#),
        ("display({'text/plain': 'x'}, raw=True, metadata={'a': 1})", r#"text/plain: "x""#),
        (
            "display({'application/json': 12345678901234567890123}, raw=True)",
            "application/json: 12345678901234567890123",
        ),
    ] {
        let ran = run(&mut kernel, code).await;
        assert_eq!(ran.outcome, Some(Outcome::Success), "{code}");
        assert_eq!(ran.shown().join("|"), shown, "{code}");
        assert!(ran.outputs.iter().all(|output| output.metadata.is_object()));
    }
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_data_frame_is_a_table_of_scalars() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(
        &mut kernel,
        "import sys\nsorted({'pandas', 'matplotlib', 'altair', 'plotly', 'numpy'} & set(sys.modules))",
    )
    .await;
    assert_eq!(ran.shown(), [r#"text/plain: "[]""#], "imported early");
    for (code, table) in [
        (
            "import pandas as pd, numpy as np, decimal\npd.DataFrame({'a': [1, 2], 'b': [0.5, float('nan')], 'c': ['x', None]})",
            r#"{"type": "table", "columns": ["a", "b", "c"], "rows": [[1, 0.5, "x"], [2, null, null]]}"#,
        ),
        (
            "pd.DataFrame([[pd.NaT, decimal.Decimal('1.50'), b'x', True, float('inf'), 2**60, pd.Timestamp('2026-01-02'), np.int64(3), [1], pd.NA]], columns=list('aabcdefgh') + [1])",
            r#"{"type": "table", "columns": ["a", "a.1", "b", "c", "d", "e", "f", "g", "h", "1"], "rows": [[null, "1.50", "b'x'", true, "inf", "1152921504606846976", "2026-01-02 00:00:00", 3, "[1]", null]]}"#,
        ),
        (
            "pd.DataFrame({'v': [1]}, index=pd.Index(['k'], name='key'))",
            r#"{"type": "table", "columns": ["key", "v"], "rows": [["k", 1]]}"#,
        ),
        (
            "pd.DataFrame({'a': [np.zeros(2), np.float64(1)]})",
            r#"{"type": "table", "columns": ["a"], "rows": [["[0. 0.]"], [1.0]]}"#,
        ),
        ("pd.DataFrame()", r#"{"type": "table", "columns": [], "rows": []}"#),
    ] {
        let ran = run(&mut kernel, code).await;
        assert_eq!(ran.shown(), [format!("application/json: {table}")], "{:?}", ran.outcome);
    }
    let ran = run(&mut kernel, "pd.DataFrame({'a': range(25_000)})").await;
    let [table] = &ran.outputs[..] else { panic!("{ran:?}") };
    assert!(table.data.as_str().ends_with(r#"[999]], "truncated": "the first 1,000 of 25,000 rows"}"#));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_chart_is_what_a_page_can_draw_and_a_figure_is_shown_once() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    for (code, types) in [
        ("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", &["image/png"][..]),
        ("fig, ax = plt.subplots()\nax.plot([1, 2])\nfig", &["image/png"]),
        (
            "fig, ax = plt.subplots()\nfor _ in range(2):\n    plt.subplots()\nfig",
            &["image/png", "image/png", "image/png"],
        ),
        ("import plotly.express as px\npx.bar(x=[1, 2], y=[3, 4])", &["application/vnd.plotly.v1+json"]),
        ("px.bar(x=[1], y=[2]).show()", &["application/vnd.plotly.v1+json"]),
        (
            "import altair as alt, pandas as pd\nchart = alt.Chart(pd.DataFrame({'a': [1], 'b': [2]})).mark_bar().encode(x='a', y='b')\nchart",
            &["application/vnd.vegalite.v6+json"],
        ),
        ("chart & chart", &["application/vnd.vegalite.v6+json"]),
    ] {
        let ran = run(&mut kernel, code).await;
        assert_eq!(ran.outcome, Some(Outcome::Success), "{code}");
        let shown: Vec<&str> = ran.outputs.iter().map(|output| output.mime_type.as_str()).collect();
        assert_eq!(shown, types, "{code}");
    }
    let ran = run(&mut kernel, "px.bar(x=[1], y=[2])").await;
    let data: serde_json::Value = serde_json::from_str(ran.outputs[0].data.as_str()).unwrap();
    assert!(data["data"].is_array());
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn outputs_are_updated_and_cleared() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(
        &mut kernel,
        "display('first')\nh = display(1, display_id=True)\ndisplay('last')\nh.update(2)\nh.update(3)",
    )
    .await;
    assert_eq!(ran.shown(), [r#"text/plain: "'first'""#, r#"text/plain: "3""#, r#"text/plain: "'last'""#]);
    // An output of another execution is not this one's to change.
    assert_eq!(run(&mut kernel, "h.update(4)").await.outputs.len(), 0);
    let clear = "from IPython.display import clear_output\nprint('gone')\ndisplay('gone')\nclear_output(wait=True)\n";
    let ran = run(&mut kernel, &format!("{clear}print('kept')")).await;
    assert_eq!((ran.stdout.as_str(), ran.outputs.len()), ("kept\n", 0));
    // Nothing came after it.
    assert_eq!(run(&mut kernel, clear).await.outputs.len(), 1);
    let ran = run(&mut kernel, &clear.replace("wait=True", "")).await;
    assert_eq!((ran.stdout.as_str(), ran.outputs.len()), ("", 0));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn what_a_thread_prints_later_belongs_to_the_cell_that_runs_then() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let code = "import threading, time\nlater, between = threading.Event(), threading.Event()
def talk():
    between.wait()
    print('between', flush=True)
    later.wait()
    print('later', flush=True)
thread = threading.Thread(target=talk)
thread.start()";
    run(&mut kernel, code).await;
    // Code of the service has no printed text: what comes while it runs belongs to nobody.
    kernel.execute(Execution { code: "between.set()\ntime.sleep(0.3)\nprint('service')", position: None }).await;
    let ran = rest(&mut kernel).await;
    assert_eq!((ran.outcome, ran.stdout.as_str()), (Some(Outcome::Success), ""));
    let ran = run(&mut kernel, "later.set()\nthread.join()\nprint('own')").await;
    assert_eq!(ran.stdout, "later\nown\n");
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn what_a_forked_child_prints_is_told() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let code = "import os
pid = os.fork()
if pid == 0:
    print('from the child', flush=True)
    os._exit(0)
os.waitpid(pid, 0)
import subprocess
subprocess.run(['echo', 'from a program'])
while True: pass";
    kernel.execute(Execution { code, position: Some(1) }).await;
    let mut text = String::new();
    while !(text.contains("from the child\n") && text.contains("from a program\n")) {
        let KernelEvent::Stdout(more) = next(&mut kernel).await else { panic!("{text}") };
        text.push_str(&more);
    }
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn printed_text_comes_while_the_code_runs_and_not_line_by_line() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let code = "import sys, time\nfor i in range(300):\n    print(i, flush=True)\n    print(-i, file=sys.stderr, flush=True)\n    time.sleep(0.002)\ntime.sleep(60)";
    kernel.execute(Execution { code, position: Some(1) }).await;
    let (mut text, mut events) = (String::new(), 0);
    while !text.contains("-299\n") {
        let KernelEvent::Stdout(more) = next(&mut kernel).await else { panic!("{text}") };
        text.push_str(&more);
        events += 1;
    }
    assert!(events < 150, "{events} events for 600 lines");
    kernel.interrupt().await;
    assert_eq!(rest(&mut kernel).await.outcome, Some(Outcome::Interrupted));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn what_is_too_much_is_cut_and_says_so() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "for _ in range(1_000_000): print('abcdefg')\nprint('\\udc80\\x00')").await;
    assert_eq!(ran.outcome, Some(Outcome::Success));
    assert!(ran.stdout.len() <= STDOUT_BYTES && ran.stdout.len() > STDOUT_BYTES * 9 / 10);
    assert!(ran.stdout.contains("[… cut here: a cell keeps 1,000,000 bytes of printed text]"));
    let (_, end) = ran.stdout.rsplit_once('\n').map(|_| ran.stdout.split_at(ran.stdout.len() - 40)).unwrap();
    assert!(end.contains("bytes were printed]"), "{end}");

    let ran = run(&mut kernel, "print('\\0' * 970_000)").await;
    assert_eq!(ran.stdout.len(), "\0".len() * 970_000 + 1);

    let code = "big = {'text/plain': 'x' * 5_000_000}\nfor _ in range(3): display(big, raw=True)\ndisplay('small')";
    let ran = run(&mut kernel, code).await;
    let bytes: usize =
        ran.outputs.iter().map(|output| output.data.as_str().len() + output.metadata.as_str().len()).sum();
    assert!(bytes <= OUTPUTS_BYTES);
    let note = r#"text/plain: "[an output of 5,000,004 bytes (text/plain) is left out: the outputs of a cell may have 8,000,000 bytes together]""#;
    assert_eq!(ran.shown()[1..], [note, note, r#"text/plain: "'small'""#]);

    let ran = run(&mut kernel, "for i in range(3000): display(i)").await;
    assert_eq!(ran.outcome, Some(Outcome::Success));
    assert_eq!(ran.shown().last().unwrap(), r#"text/plain: "[more than 1,000 outputs: the rest is left out]""#);
    assert_eq!(ran.outputs.len(), 1001);

    let ran =
        run(&mut kernel, "x = []\nfor _ in range(500): x = [x]\ndisplay({'application/json': x}, raw=True)").await;
    assert_eq!(
        ran.shown(),
        [r#"text/plain: "[an output (application/json) is left out: it is nested deeper than 128 levels]""#]
    );

    let ran = run(&mut kernel, "raise ValueError('x' * 10_000_000 + 'end')").await;
    assert!(ran.error().len() < STDOUT_BYTES && ran.error().ends_with("xend"));
    drop(kernel);
    kernels.end().await;
}
