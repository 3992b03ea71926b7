//! What owners see of their connection strings: never a password.

use proptest::prelude::*;
use quire_domain::{ConnectionString, ShownConnection, limits};

fn connection(text: &str) -> ConnectionString {
    ConnectionString::new(text).unwrap().unwrap()
}

fn shown(text: &str) -> String {
    connection(text).shown().as_str().to_owned()
}

#[test]
fn a_string_without_a_password_is_shown_as_it_is() {
    for text in [
        "c",
        "postgres://h/d",
        "postgres://h:5432/d?sslmode=require",
        "postgresql+asyncpg://me@h:5432/d",
        "postgresql://me@h1:1,h2:2/d?target_session_attrs=any",
        "postgres://[::1]:5432/d",
        "postgres://[fe80::1],h:5433/d?application_name=Zürich",
        "postgres://me:@h/d",
        "postgres://me@h/d?password=",
        "postgresql:///d?host=/var/run/postgresql",
        "host=h port=5432 dbname=d user=me@tenant",
        "host=/var/run user=me@tenant",
        "Driver={PostgreSQL Unicode};Server=h;Port=5432;Database=d;Uid=me;",
        "sqlite:///a:b",
        "%zz%",
        "",
    ] {
        let same = ConnectionString::new(text).unwrap().is_none_or(|connection| connection.shown().as_str() == text);
        assert!(same, "{text:?} is shown as {:?}", shown(text));
    }
}

#[test]
fn a_password_is_hidden_and_the_rest_is_shown() {
    let mask = "\u{2022}".repeat(8);
    for (text, expected) in [
        ("postgres://me:Q@h:5432/d?sslmode=require", "postgres://me:*@h:5432/d?sslmode=require"),
        ("postgres://me:Q@@/#?:Q@h/d", "postgres://me:*@h/d"),
        ("postgres://me:Q%40@h/d?password=Q&sslmode=prefer", "postgres://me:*@h/d?password=*&sslmode=prefer"),
        ("postgres://h/d?user=me&PassWord=Q&host=x", "postgres://h/d?user=me&PassWord=*&host=x"),
        ("postgres://h/d?%70assword=Q", "postgres://h/d?%70assword=*"),
        ("postgres://h/d?password%3DQ", "postgres://h/d?password%3D*"),
        // Decoded, the name would begin behind a newline.
        ("://%0api_key:Q://", "://%0api_key:*"),
        ("postgres://h/d?sslpassword=Q&sslmode=x", "postgres://h/d?sslpassword=*&sslmode=x"),
        ("host=h password=Q user=me", "host=h password=* user=me"),
        ("host=h password = 'Q \\' host=Q' user=me", "host=h password = * user=me"),
        ("host=h password='Q\\\\' user=me", "host=h password=* user=me"),
        ("host=h password='Q user=me", "host=h password=*"),
        ("host=h password='Q'Q user=me", "host=h password=*"),
        ("host=h password=Q Q Q user=me", "host=h password=* user=me"),
        ("Server=h;PWD=Q;Database=d", "Server=h;PWD=*;Database=d"),
        ("Server=h;PWD={Q;}}Database=Q};Database=d", "Server=h;PWD=*;Database=d"),
        ("Server=h;Access Key=Q;Uid=me", "Server=h;Access Key=*;Uid=me"),
        ("Server=h;AccessKey=Q;Uid=me", "Server=h;AccessKey=*;Uid=me"),
        ("jdbc:postgresql://h/d?user=me&password=Q", "jdbc:postgresql://h/d?user=me&password=*"),
        (
            "jdbc:sqlserver://h:1433;user=me;password=Q;encrypt=true",
            "jdbc:sqlserver://h:1433;user=me;password=*;encrypt=true",
        ),
        ("me:Q@h/d", "me:*@h/d"),
        ("me://Q@h/d", "me:*@h/d"),
        ("me/Q@h:1521/d", "me/*@h:1521/d"),
        ("me:Q@tcp(h:3306)/d", "me:*@tcp(h:3306)/d"),
        ("postgres://me%3AQ@h/d", "postgres://me%3A*@h/d"),
        // The host was forgotten, or everything was encoded.
        ("postgres://me:Q/d", "postgres://me:*"),
        ("postgres://me:Q%40h/d", "postgres://me:*"),
        ("postgres://me:1234567", "postgres://me:*"),
        (r#"{"host": "h", "password": "Q"}"#, r#"{"host": "h", "password": *"#),
    ] {
        assert_eq!(shown(text), expected.replace('*', &mask), "{text}");
    }
}

#[test]
fn what_was_shown_is_told_from_what_was_entered() {
    let shown = shown("postgres://me:secret@h/d");
    assert!(connection(&shown).is_masked());
    assert!(connection(&shown.replacen('\u{2022}', "", 7)).is_masked(), "a piece of a mask too");
    let unavailable = ShownConnection::unavailable();
    assert!(connection(unavailable.as_str()).is_masked());
    assert!(!connection("postgres://me:********@h/d").is_masked());
    assert_eq!(format!("{unavailable:?}"), "ShownConnection(hidden)");
}

#[test]
fn what_is_shown_may_always_be_sent_back() {
    let text = format!("postgres://me:Q@h/{}", "d".repeat(limits::CONNECTION_CHARS - 18));
    assert_eq!(text.len(), limits::CONNECTION_CHARS);
    let shown = shown(&text);
    assert!(connection(&shown).is_masked() && !shown.contains('Q'), "{shown}");
}

/// What is stored when the owner of the first is shown it and sends the second back.
fn unmasked(current: &str, entered: &str) -> Option<String> {
    let entered = entered.replace('*', &"\u{2022}".repeat(8));
    connection(&entered).unmasked(&connection(current)).map(|unmasked| unmasked.expose().to_owned())
}

#[test]
fn beside_a_mask_the_database_and_harmless_parameters_may_change() {
    let url = "postgresql+asyncpg://me:Q@/#?@h:1/d?sslmode=require&connect_timeout=3";
    let words = "host=h password='Q Q' user=me dbname=d";
    for (current, entered, expected) in [
        (
            url,
            "postgresql+asyncpg://me:*@h:1/e?sslmode=require&connect_timeout=3",
            "postgresql+asyncpg://me:Q@/#?@h:1/e?sslmode=require&connect_timeout=3",
        ),
        (url, "postgresql+asyncpg://me:*@h:1?sslmode=require", "postgresql+asyncpg://me:Q@/#?@h:1?sslmode=require"),
        (
            url,
            "postgresql+asyncpg://me:*@h:1/Z%C3%BC%20x-1.é?application_name=a%20b&sslmode=require",
            "postgresql+asyncpg://me:Q@/#?@h:1/Z%C3%BC%20x-1.é?application_name=a%20b&sslmode=require",
        ),
        (
            "postgres://me@h?password=Q&sslmode=require&sslpassword=Q",
            "postgres://me@h/e?password=*&sslmode=require&sslpassword=*",
            "postgres://me@h/e?password=Q&sslmode=require&sslpassword=Q",
        ),
        (words, "host=h password=* user=me dbname=e", "host=h password='Q Q' user=me dbname=e"),
        (words, "application_name=x host=h password=* user=me", "application_name=x host=h password='Q Q' user=me"),
    ] {
        assert_eq!(unmasked(current, entered).as_deref(), Some(expected), "{entered}");
    }
}

#[test]
fn nothing_else_may_change_beside_a_mask() {
    let url = "postgres://me:Q@h:1/d?sslmode=require";
    for entered in [
        "postgres://me:*@h2:1/d?sslmode=require",
        "postgres://me:*@h:2/d?sslmode=require",
        "postgres://me:*@h,h2:1/d?sslmode=require",
        "postgres://you:*@h:1/d?sslmode=require",
        "postgresql://me:*@h:1/d?sslmode=require",
        "postgres://me:*@h:1/d",
        "postgres://me:*@h:1/d?sslmode=disable",
        "postgres://me:*@h:1/d?sslmode=require&sslmode=disable",
        "postgres://me:*@h:1/d?sslmode=require&application_name=x;sslmode=disable",
        "postgres://me:*@h:1/d?sslmode=require&application_name=x%26sslmode=disable",
        "postgres://me:*@h:1/d?sslmode=require&application_name=*",
        "postgres://me:*@h:1/d?sslmode=require#x",
        "postgres://me:*@h:1/*?sslmode=require",
        "postgres://me:*@h:1/d@h2?sslmode=require",
        "postgres://me:*@h:1/d%40h2?sslmode=require",
        "postgres://me:*x@h:1/d?sslmode=require",
        "postgres://me:\u{2022}@h:1/d?sslmode=require",
        "postgres://me@h:1/d?sslmode=require&password=*",
    ] {
        assert_eq!(unmasked(url, entered), None, "{entered}");
    }
    let parameters = "host hostaddr port user service options sslmode requiressl sslrootcert sslcert sslkey sslcrl sslsni \
        ssl_min_protocol_version sslnegotiation channel_binding require_auth gssencmode krbsrvname target_session_attrs \
        load_balance_hosts passfile replication HOST h%6Fst";
    for name in parameters.split_whitespace() {
        assert_eq!(unmasked(url, &format!("postgres://me:*@h:1/d?sslmode=require&{name}=x")), None, "{name}");
        assert_eq!(
            unmasked("host=h password=Q dbname=d", &format!("host=h password=* dbname=d {name}=x")),
            None,
            "{name}"
        );
    }
    for (current, entered) in [
        ("host=h password=Q dbname=d", "host=h password=* dbname='e host=x'"),
        ("host=h password=Q dbname=d", "host=h password=* dbname=postgres://x/e"),
        ("Server=h;PWD=Q;Database=d", "Server=h;PWD=*;Database=e"),
        ("mysql://me:Q@h/d", "mysql://me:*@h/e"),
        ("me/Q@h:1521/d", "me/*@h:1521/e"),
        ("postgres://h/d", "postgres://me:*@h/d"),
    ] {
        assert_eq!(unmasked(current, entered), None, "{entered}");
    }
}

/// The letters of a planted password; they are nowhere else, so that any piece of it is found.
const LETTERS: [char; 3] = ['Q', 'Z', 'Ж'];

fn password(hostile: &'static str) -> impl Strategy<Value = String> {
    let hostile: Vec<char> = hostile.chars().collect();
    let character = prop_oneof![prop::sample::select(LETTERS.to_vec()), prop::sample::select(hostile)];
    prop::collection::vec(character, 1..24).prop_map(|characters| characters.into_iter().collect())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let shown = shown(text);
    prop_assert!(!shown.contains(LETTERS), "{text:?} is shown as {shown:?}");
    Ok(())
}

proptest! {
    #[test]
    fn a_password_before_a_host_is_never_shown(
        password in password("/@#?:%&=;,[]{}'\" \\.-é1\u{2022}"),
        scheme in prop::sample::select(vec!["postgres://", "Postgres+asyncpg://", " jdbc:postgresql://", "//", "", "a b://"]),
        user in prop::sample::select(vec!["me", "", "me@tenant", "me%40tenant", "host=h me"]),
        rest in prop::sample::select(vec!["h", "h:5432/d", "[::1]:1,h/d?sslmode=require#x", "h/d?a=@&password=x"]),
    ) {
        check(&format!("{scheme}{user}:{password}@{rest}"))?;
    }

    #[test]
    fn a_password_in_a_query_is_never_shown(
        password in password("/@#?:%&=;,[]{}'\" \\.-é1\u{2022}"),
        name in prop::sample::select(vec!["password", "PASSWORD", "sslpassword", "pwd", "pass", "p%61ss", "a_token", "scram_client_key"]),
        before in prop::sample::select(vec!["postgres://h/d?", "postgres://me@h:1/d?user=a&", "postgres://a:b@h?x=@&"]),
        after in prop::sample::select(vec!["", "&sslmode=require", "&pwd=x&host=h", "&other"]),
    ) {
        check(&format!("{before}{name}={password}{after}"))?;
    }

    #[test]
    fn a_password_among_parameters_is_never_shown(
        password in password("/@#?:%&=;,[]{}'\" \\.-é1\u{2022}"),
        form in 0..5_usize,
        before in prop::sample::select(vec!["", "host=h ", "Driver={x};Server=h;", "dbname=postgres://me@h:1/d "]),
        after in prop::sample::select(vec!["", " user=me", ";Uid=me", ";", " other"]),
    ) {
        let value = match form {
            0 => password,
            1 => format!("'{}'", password.replace('\\', "\\\\").replace('\'', "\\'")),
            2 => format!("{{{}}}", password.replace('}', "}}")),
            3 => format!("\"{}\"", password.replace('"', "\"\"")),
            _ => format!("'{}'", password.replace('\'', "''")),
        };
        check(&format!("{before}Password = {value}{after}"))?;
    }

    /// Whatever the text is otherwise, well formed or not. After a scheme's colon, `//` begins the user.
    #[test]
    fn between_a_colon_and_an_at_sign_nothing_is_shown(
        before in "[ -~é]{0,12}(://|[ -~])[ -~é]{0,12}",
        password in password("/@#?:%&=;,[]{}'\" \\.-é1\u{2022}").prop_filter("a user", |password| !password.starts_with("//")),
        after in "[ -~é]{0,12}(://|[ -~])[ -~é]{0,12}",
    ) {
        check(&format!("{}:{password}@{}", before.replace(LETTERS, "x"), after.replace(LETTERS, "x")))?;
    }

    #[test]
    fn after_the_name_of_a_password_nothing_of_it_is_shown(
        before in "[ -~é]{0,12}(://|[ -~])[ -~é]{0,12}",
        name in prop::sample::select(vec!["password=", "PWD = ", "\"secret\": ", "pass%3D", "sslPassword='", "api_key:"]),
        password in password("/@#?:%&=;,[]{}'\" \\.-é1\u{2022}"),
        after in "[ -~é]{0,12}(://|[ -~])[ -~é]{0,12}",
    ) {
        check(&format!("{}{name}{password}{}", before.replace(LETTERS, "x"), after.replace(LETTERS, "x")))?;
    }

    #[test]
    fn hostile_text_is_survived(text in "[ -~é•]{0,40}", around in "(password|://|@|=|'|%3a|%|\\{|;|:|host=){0,12}") {
        for text in [format!("{text}{around}"), format!("{around}{text}")] {
            if let Some(connection) = ConnectionString::new(&text).unwrap() {
                let again = connection.shown();
                prop_assert_eq!(again, connection.shown());
            }
        }
    }
}
