//! Tests `quire serve` with a certificate: the address that it prints, the signal that reloads the certificate, the
//! doctor's findings, and refused starts.

use std::fs;
use std::io::BufRead;

use rcgen::{CertificateParams, KeyPair};

use super::{Running, Workspace};

impl Workspace {
    /// Writes a certificate that is valid for this many days from now, and its key.
    fn write_certificate(&self, days: u64) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["quire.example".to_owned()]).unwrap();
        let now = std::time::SystemTime::now();
        params.not_after = (now + std::time::Duration::from_secs(days * 86_400)).into();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.0.join("chain.pem"), certificate.pem()).unwrap();
        fs::write(self.0.join("key.pem"), key.serialize_pem()).unwrap();
    }
    fn trusted_command(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.quire(words);
        command
            .env("QUIRE_TLS_CERT", "chain.pem")
            .env("QUIRE_TLS_KEY", "key.pem");
        command
    }
}

#[test]
fn a_certificate_is_checked_by_the_doctor_and_reloaded() {
    let workspace = Workspace::new();
    workspace.write_certificate(60);
    let mut server = Running::start({
        let mut command = workspace.trusted_command(&["serve", "--port", "0"]);
        command.env("USE_MOCK", "true");
        command
    });
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let mut log = server.stderr_lines().lines();
    let mut logged = |mark: &str| {
        let found = log.find(|line| line.as_ref().unwrap().contains(mark));
        assert!(found.is_some(), "{mark}");
    };
    let ask = |words: &[&str]| {
        let mut command = workspace.trusted_command(words);
        super::CommandOutput::from_output(command.env("PORT", &port).output().unwrap())
    };
    assert_eq!(ask(&["doctor", "--health"]).expect_success().trim(), "ok");
    let output_text = ask(&["doctor"]).stdout;
    assert!(
        output_text.contains("ok       certificate: the one in chain.pem is valid until"),
        "{output_text}"
    );
    let answered = concat!(
        "Quire ",
        env!("CARGO_PKG_VERSION"),
        " is running at 0.0.0.0:"
    );
    assert!(output_text.contains(answered), "{output_text}");

    workspace.write_certificate(5);
    server.signal("-HUP");
    logged("certificate reloaded");
    let said_text = ask(&["doctor"]).stdout;
    assert!(
        said_text.contains("warning  certificate: the certificate in chain.pem expires in"),
        "{said_text}"
    );
    assert_eq!(ask(&["doctor", "--health"]).expect_success().trim(), "ok");
    fs::write(workspace.0.join("key.pem"), "no key").unwrap();
    server.signal("-HUP");
    logged("the previous certificate stays in use");
    let report = ask(&["doctor"]).stdout;
    assert!(
        report.contains("broken   certificate: there is no PEM private key"),
        "{report}"
    );
    assert_eq!(
        ask(&["doctor", "--health"]).expect_success().trim(),
        "ok",
        "the one before is kept"
    );
}

#[test]
fn unusable_certificates_prevent_startup() {
    let workspace = Workspace::new();
    let start = || {
        super::CommandOutput::from_output(
            workspace
                .trusted_command(&["serve", "--port", "0"])
                .output()
                .unwrap(),
        )
    };
    let error = start().expect_refusal(1);
    assert!(error.contains("cannot read chain.pem"), "{error}");
    workspace.write_certificate(0);
    let output_text = start().expect_refusal(1);
    assert!(
        output_text.contains("the certificate in chain.pem expired at"),
        "{output_text}"
    );
    let mut half = workspace.quire(&["serve", "--port", "0"]);
    half.env("QUIRE_TLS_CERT", "chain.pem");
    let said_text = super::CommandOutput::from_output(half.output().unwrap()).err;
    assert!(said_text.contains("set QUIRE_TLS_KEY"), "{said_text}");
}
