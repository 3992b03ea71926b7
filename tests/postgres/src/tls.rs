//! Certificates for a server of the tests.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::machine::User;

/// Writes `ca.pem`, `other-ca.pem`, `server.pem` and `server.key` into a folder. The server's certificate is for
/// `localhost` and signed by the first authority; the other authority has signed nothing.
pub(crate) fn write(folder: &Path, user: Option<User>) {
    let (ca, ca_key) = authority("Quire tests");
    let server_key = new_key();
    let server = CertificateParams::new(["localhost".to_owned()]).expect("it is a name");
    let signed = server.signed_by(&server_key, &Issuer::from_params(&ca, &ca_key)).expect("the authority signs");
    let self_signed = |params: &CertificateParams, key| params.self_signed(key).expect("it signs itself").pem();
    let (other, other_key) = authority("Somebody else");
    let files = [
        ("ca.pem", self_signed(&ca, &ca_key)),
        ("other-ca.pem", self_signed(&other, &other_key)),
        ("server.pem", signed.pem()),
        ("server.key", server_key.serialize_pem()),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        // PostgreSQL refuses a key that others may read.
        let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        std::io::Write::write_all(&mut created.expect("the file is new"), text.as_bytes()).expect("there is room");
        if let Some(user) = user {
            user.own(&file);
        }
    }
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    (params, new_key())
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("there are random numbers")
}
