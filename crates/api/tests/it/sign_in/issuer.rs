//! A stand-in for Clerk, which signs any token and serves the keys.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quire_api::{Authenticator, ClerkKeys, ClerkSettings};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

pub(crate) const PEM: &str = include_str!("../keys/issuer.pem");
pub(crate) const ORIGIN: &str = "http://localhost:3000";
pub(crate) const KEY_ID: &str = "key-1";

/// A key that signs.
pub(crate) struct Signer(RsaKeyPair);

impl Signer {
    /// The one whose public half is the issuer's.
    pub(crate) fn issuer() -> Self {
        Self(RsaKeyPair::from_der(include_bytes!("../keys/issuer.der")).unwrap())
    }

    /// One that has nothing to do with it.
    pub(crate) fn stranger() -> Self {
        Self(RsaKeyPair::from_der(include_bytes!("../keys/stranger.der")).unwrap())
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public half as it stands in a key set.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.0.public());
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"kid": id, "kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": e})
    }
}

/// Header and claims of a token, without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}")
}

pub(crate) fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID, "cat": "cl_B7d4PD111AAA"})
}

/// Seconds since 1970, so far from now.
pub(crate) fn seconds(from_now: i64) -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap() + from_now
}

/// These parts of a token in the place of the usual ones; null takes one away.
pub(crate) fn with(mut usual: Value, other: Value) -> Value {
    let Value::Object(other) = other else { panic!("an object is needed") };
    for (name, value) in other {
        match value {
            Value::Null => drop(usual.as_object_mut().unwrap().remove(&name)),
            value => usual[name] = value,
        }
    }
    usual
}

/// An issuer with a server for its keys; it ends with the test.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) signer: Signer,
    state: Arc<Mutex<State>>,
}

struct State {
    /// The response; `None` closes the connection.
    answer: Option<String>,
    asked: usize,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let signer = Signer::issuer();
        let state = Arc::new(Mutex::new(State { answer: None, asked: 0 }));
        let serving = Arc::clone(&state);
        // Ends with the process: no request comes after its test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &serving);
            }
        });
        let issuer = Self { url, signer, state };
        issuer.publish(&[issuer.signer.jwk(KEY_ID)]);
        issuer
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.answer("200 OK", &json!({"keys": keys}).to_string());
    }

    pub(crate) fn answer(&self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close", body.len());
        self.state.lock().unwrap().answer = Some(format!("{head}\r\nLocation: /elsewhere\r\n\r\n{body}"));
    }

    pub(crate) fn fall_silent(&self) {
        self.state.lock().unwrap().answer = None;
    }

    /// Number of requests for the keys.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    pub(crate) fn claims(&self, user: &str) -> Value {
        let (now, exp) = (seconds(0), seconds(60));
        json!({"iss": self.url, "sub": user, "azp": ORIGIN, "iat": now, "nbf": seconds(-10), "exp": exp, "sid": "sess_1"})
    }

    /// A token of this user as Clerk makes them.
    pub(crate) fn token(&self, user: &str) -> String {
        self.signer.sign(&header(), &self.claims(user))
    }

    pub(crate) fn settings(&self) -> ClerkSettings {
        ClerkSettings {
            issuer: self.url.clone(),
            keys: ClerkKeys::OfIssuer,
            authorized_parties: vec![ORIGIN.to_owned()],
            party_may_be_missing: false,
        }
    }

    pub(crate) fn authenticator(&self) -> Authenticator {
        Authenticator::clerk(self.settings()).unwrap()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().unwrap().unwrap();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let mut state = state.lock().unwrap();
    state.asked += 1;
    if let Some(answer) = &state.answer {
        assert_eq!(first, "GET /.well-known/jwks.json HTTP/1.1");
        // Whoever has read enough goes away.
        let _ = stream.write_all(answer.as_bytes());
    }
}
