//! RS256 signatures checked by ring, for `jsonwebtoken`.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use pki_types::SubjectPublicKeyInfoDer;
use pki_types::pem::PemObject as _;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use signature::Verifier;
use webpki::RawPublicKeyEntity;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(), // nothing here asks for thumbprints
};

/// Installs the checker in `jsonwebtoken`. That can be done once in a process: if a program that embeds this crate has
/// installed another, that one stays.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

/// Reads a public key in PEM (`BEGIN PUBLIC KEY`); `None` unless it is an RSA key of a supported size.
pub(super) fn from_pem(text: &str) -> Option<DecodingKey> {
    // Where a variable can hold one line only, its ends are written like this.
    let text = text.replace("\\n", "\n");
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
    // The signature is wrong for every key. An unsupported key gives another error than that.
    match by_info(&der, &[], &[0; 256]) {
        Err(webpki::Error::InvalidSignatureForPublicKey) => Some(DecodingKey::from_rsa_der(&der)),
        _ => None,
    }
}

fn by_info(der: &SubjectPublicKeyInfoDer<'_>, message: &[u8], signature: &[u8]) -> Result<(), webpki::Error> {
    RawPublicKeyEntity::try_from(der)?.verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, message, signature)
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match algorithm {
        Algorithm::RS256 => Ok(Box::new(Rs256(key.kind().clone()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Rs256(DecodingKeyKind);

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        match &self.0 {
            DecodingKeyKind::SecretOrDer(der) => {
                by_info(&SubjectPublicKeyInfoDer::from(der.as_slice()), message, signature)
                    .map_err(signature::Error::from_source)
            }
            DecodingKeyKind::RsaModulusExponent { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .map_err(|_unspecified| signature::Error::new()),
        }
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
