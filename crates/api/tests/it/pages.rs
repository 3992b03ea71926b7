//! The pages for people: what they may load, who may see them, and that they work without anything from elsewhere.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use crate::support::{Reply, Server, get, send, to};

const PAGES: [(&str, &str); 6] = [
    ("/", "text/html; charset=utf-8"),
    ("/api/docs", "text/html; charset=utf-8"),
    ("/api/docs/style.css", "text/css; charset=utf-8"),
    ("/api/docs/docs.js", "text/javascript; charset=utf-8"),
    ("/api/docs/swagger-ui.css", "text/css; charset=utf-8"),
    ("/api/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
];

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

#[actix_web::test]
async fn they_may_load_only_what_is_here_and_run_only_scripts_in_files() {
    let server = Server::start();
    for (path, kind) in PAGES {
        for method in [Method::GET, Method::HEAD] {
            let reply = server.send(to(TestRequest::default().method(method), path)).await;
            assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{path}");
            let policy = reply.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
            assert!(policy.ends_with("frame-ancestors 'none'; base-uri 'none'; form-action 'none'"), "{policy}");
            assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
            let kept = if path.contains("swagger-ui") { "public, max-age=3600" } else { "no-cache" };
            assert_eq!(reply.header("cache-control"), Some(kept));
        }
    }
}

#[actix_web::test]
async fn all_that_they_name_is_here() {
    let server = Server::start();
    for path in ["/", "/api/docs"] {
        let page = server.get(path).await;
        let (page, mut named) = (text(&page).to_owned(), 0);
        for attribute in ["href=\"", "src=\""] {
            for link in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                if link != "data:," {
                    assert_eq!(server.get(link).await.status, 200, "{link}");
                    named += 1;
                }
            }
        }
        assert!(named >= 3, "{page}");
        assert!(!page.contains("://") && !page.contains("<style"), "{page}");
        assert_eq!(page.matches("<script").count(), page.matches("<script src=\"/").count());
    }
    let script = server.get("/api/docs/docs.js").await;
    for setting in ["url: \"/api/openapi.json\"", "persistAuthorization: false", "validatorUrl: null"] {
        assert!(text(&script).contains(setting), "{setting}");
    }
}

#[actix_web::test]
async fn the_first_one_says_whether_there_is_sign_in() {
    let server = Server::start();
    assert!(text(&server.get("/").await).contains("there is no sign-in"));
    let issuer = crate::sign_in::issuer::Issuer::start();
    let settings = quire_api::Settings { authenticator: issuer.authenticator(), ..server.settings.clone() };
    let api = quire_api::Api::new(server.service.clone(), settings);
    let page = send(&api, get("/").insert_header(("Host", "quire.example"))).await;
    assert!(text(&page).contains("Requests need a session token"), "{page:?}");
}

#[actix_web::test]
async fn in_development_mode_no_other_host_has_them_either() {
    let server = Server::start();
    for (path, _) in PAGES {
        server.send(get(path).insert_header(("Host", "evil.example"))).await.problem(403, "forbidden_host");
    }
}
