//! Hostile and harmless outputs.

use super::*;

fn shown(mime_type: &str, json: &str) -> Option<String> {
    let json = Json::parse(json).unwrap();
    data(mime_type, &json, &mut SanitizeBudget::default()).map(|data| data.as_str().to_owned())
}

fn cleaned(html: &str) -> String {
    let json = serde_json::to_string(html).unwrap();
    serde_json::from_str(&shown("text/html", &json).unwrap()).unwrap()
}

#[test]
fn nothing_that_runs_stays_in_html() {
    for hostile in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<a href='&#1;data:text/html,<script>alert(1)</script>'>x</a>",
        "<a href='&#1;\u{b} da&#9;t&#10;a:text/html,x'>x</a>",
        "<a href='&#31; &#127; DA&#9;TA:text/html,x'>x</a>",
        "<a href='&#x1f;java&#9;script:alert(1)'>x</a>",
        "<blockquote cite='&#2;data:text/html,x'>x</blockquote>",
        "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
        "<img src='da&#9;ta:image/svg+xml;base64,PHN2Zz4='>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<form action='javascript:alert(1)'><button>x</button></form>",
        "<style>@import 'javascript:alert(1)'</style>",
        "<div style='background: url(javascript:alert(1))'>x</div>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<object data='x.swf'></object><embed src='x'><base href='//evil'>",
    ] {
        let clean = cleaned(hostile).to_ascii_lowercase();
        let clean = clean.replace(|c: char| c.is_ascii_control(), "").replace("&#9;", "");
        for bad in
            ["<script", "<svg", "<iframe", "<style", "javascript:", "data:", "<form", "<object", "<embed", "<base"]
        {
            assert!(!clean.contains(bad), "{hostile}: {clean}");
        }
        // Where `onerror` is left, it is inside a text.
        assert!(!clean.contains("<img src") || !clean.contains("onerror"), "{hostile}: {clean}");
    }
}

#[test]
fn tables_and_pictures_stay() {
    let frame = "<table border=\"1\" class=\"dataframe evil\"><tbody><tr style=\"text-align: right;\"><td>1</td></tr></tbody></table>";
    let clean = cleaned(frame);
    assert_eq!(clean.matches("<td>1</td>").count(), 1);
    assert!(clean.contains("class=\"dataframe\"") && clean.contains("border=\"1\""), "{clean}");
    assert!(clean.contains("text-align:"), "{clean}");
    let picture = "<img src=\"data:image/png;base64,iVBORw0KGgo=\">";
    assert_eq!(cleaned(picture), picture);
    assert_eq!(cleaned(&cleaned(frame)), clean);
}

#[test]
fn showing_html_tells_nobody() {
    for address in [
        "https://example.com/p?victim",
        "http://example.com/p.png",
        "//example.com/p",
        "p.png",
        "ftp://example.com/p",
        "data:text/html,x",
        " https://example.com/p",
    ] {
        assert_eq!(cleaned(&format!("<img alt=\"a\" src=\"{address}\">")), "<img alt=\"a\">", "{address}");
    }
    assert!(cleaned("<a href=\"https://example.com/\">x</a>").contains("https://example.com/"));
}

#[test]
fn html_is_cleaned_however_it_is_written() {
    assert_eq!(shown("text/html", r#"["<scr", "ipt>x</script>y"]"#).as_deref(), Some(r#""y""#));
    assert_eq!(shown("text/html", r#""<b>\ud800</b><script>x</script>""#).as_deref(), Some("\"<b>\u{FFFD}</b>\""));
    for nothing in ["{}", "7", "null", r#"[["<script>"]]"#] {
        assert_eq!(shown("text/html", nothing), None);
    }
}

#[test]
fn only_types_that_are_known_to_be_safe_are_shown() {
    for mime_type in [
        "image/svg+xml",
        "application/xhtml+xml",
        "text/markdown",
        "text/latex",
        "application/javascript",
        "application/vnd.vegalite.v4+json",
        "application/vnd.vega.v5+json",
        "Text/HTML",
        "text/html,x",
        "text/html; charset=utf-8",
        " text/html",
        "text/html ",
        "text/plain;x",
        "image/png,x",
        "image/bmp",
        "",
    ] {
        for data in [r#""x""#, "{}"] {
            assert_eq!(shown(mime_type, data), None, "{mime_type}");
        }
    }
    for mime_type in SHOWN {
        let data = if mime_type.ends_with("+json") { "{}" } else { r#""x""# };
        assert_eq!(shown(mime_type, data).as_deref(), Some(data), "{mime_type}");
    }
}

#[test]
fn blank_is_what_shows_nothing() {
    let blank = |html: &str| is_blank("text/html", &Json::parse(&serde_json::to_string(html).unwrap()).unwrap());
    for html in [
        "",
        " \n\t",
        "<div></div>",
        "<div id=\"a>b\"><span> </span>&nbsp;</div>",
        "<table><tbody><tr><td></td></tr></tbody></table>",
        "<p>\u{200b}\u{a0}</p><br>",
        "<img>",
        "<a href=\"https://example.com/\" rel=\"noopener noreferrer\"></a>",
    ] {
        assert!(blank(html), "{html}");
    }
    for html in [
        "x",
        "<div>x</div>",
        "<div></div>x",
        "<hr>",
        "<img alt=\"a\">",
        "<p>&amp;</p>",
        "<img src=\"data:image/png;base64,AA\">",
    ] {
        assert!(!blank(html), "{html}");
    }
    assert!(!is_blank("text/plain", &Json::parse(r#""""#).unwrap()));
    // What frames, Altair and Bokeh leave when what draws them is gone.
    for html in [
        "<iframe srcdoc=\"x\"></iframe>",
        "<style>#v { width: 100% }</style><div id=\"v\"></div><script>draw()</script>",
        "<div class=\"bk-root\" id=\"x\" data-root-id=\"1\"></div>",
    ] {
        assert!(blank(&cleaned(html)), "{html}: {}", cleaned(html));
    }
}

#[test]
fn hostile_nesting_takes_no_time_and_no_stack() {
    let html = |text: &str| shown("text/html", &serde_json::to_string(text).unwrap());
    for tag in ["<div>", "<b>", "<a>", "<p><b>", "<table><td>", "<svg><foreignObject>", "<select><option>", "<table>"] {
        assert_eq!(html(&tag.repeat(2_000_000 / tag.len())), None);
        // About the most that is cleaned.
        let depths = [200, 400, 600, 900, 1_500, 3_000, 6_000, 9_000].into_iter();
        let most = depths.filter(|depth| SanitizeBudget::default().spend(&tag.repeat(*depth))).max().unwrap();
        assert!(most >= 600 && html(&tag.repeat(most)).is_some(), "{tag}: {most}");
    }
    for text in [
        format!("<p style=\"text-align: {}\">x</p>", "(".repeat(1_000_000)),
        format!("<p style=\"{}\">x</p>", "text-align: left;".repeat(100_000)),
        format!("<a href=\"{}\">x</a>", "http://[".repeat(100_000)),
        format!("<div><table>{}</table></div>", "<tr><td>x</td></tr>".repeat(50_000)),
        "&".repeat(20_000),
        "<!--".repeat(300_000),
        "<".repeat(50_000),
    ] {
        assert!(html(&text).is_some(), "{}", &text[..20]);
    }
}

#[test]
fn pictures_are_base64_and_charts_bring_no_options() {
    assert!(shown("image/png", r#""iVBO\nRw0K+/=\n""#).is_some());
    for bad in [r#""x\" onerror=\"alert(1)""#, "7", r#"["iVBO"]"#, "{}"] {
        assert_eq!(shown("image/png", bad), None, "{bad}");
    }
    let chart = r#"{"mark": "bar", "user\u006deta": {"embedOptions": {"sourceHeader": "<script>"}, "a": 1}}"#;
    assert_eq!(
        shown("application/vnd.vegalite.v5+json", chart).as_deref(),
        Some(r#"{"mark":"bar","usermeta":{"a":1}}"#)
    );
    // What cannot be read as an object may be one for others.
    for bad in [r#""https://example.com/chart.json""#, "[]", "7", r#"{"usermeta": {"embedOptions": {}}, "\ud800": 1}"#]
    {
        assert_eq!(shown("application/vnd.vegalite.v6+json", bad), None, "{bad}");
    }
    assert_eq!(shown("application/vnd.plotly.v1+json", r#""https://example.com/figure.json""#), None);
    assert!(shown("application/vnd.plotly.v1+json", r#"{"data": []}"#).is_some());
    let plain = r#"{"mark": "bar", "usermeta_": 1}"#;
    assert_eq!(shown("application/vnd.vegalite.v6+json", plain).as_deref(), Some(plain));
}
