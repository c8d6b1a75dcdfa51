//! Captured requests, made from the vectors of the catalogue, and the true binary that explains them.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use gatepost_config::{Catalogue, provider::Method};
use gatepost_tests::gatepost::{Home, binary};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Sha256, Sha512};

/// A request with all that it is judged by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Capture {
    pub(crate) provider: String,
    pub(crate) secret: String,
    pub(crate) at: String,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) public_url: Option<String>,
    pub(crate) values: Vec<(String, String)>,
}

impl Capture {
    /// A provider's first vector.
    pub(crate) fn of(provider: &str) -> Self {
        Self::nth(provider, 0)
    }

    /// One of a provider's vectors.
    pub(crate) fn nth(provider: &str, n: usize) -> Self {
        let catalogue = Catalogue::builtin();
        let vector = &catalogue.0.get(provider).unwrap_or_else(|| panic!("no {provider}")).vectors[n];
        Self {
            provider: provider.to_owned(),
            secret: vector.secret.clone(),
            at: vector.at.to_string(),
            method: if vector.method == Method::Get { "GET" } else { "POST" },
            target: vector.target.clone(),
            headers: vector.headers.clone(),
            body: vector.body.clone(),
            public_url: vector.public_url.as_ref().map(ToString::to_string),
            values: vector.values.clone().into_iter().collect(),
        }
    }

    /// The request as it is on the wire.
    pub(crate) fn raw(&self, ends: &str) -> Vec<u8> {
        let mut raw = format!("{} {} HTTP/1.1{ends}host: hooks.example.com{ends}", self.method, self.target);
        for (name, value) in &self.headers {
            raw.push_str(&format!("{name}: {value}{ends}"));
        }
        raw.push_str(ends);
        [raw.as_bytes(), &self.body].concat()
    }

    /// The value of a header.
    pub(crate) fn get(&self, name: &str) -> String {
        self.headers.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
    }

    /// Gives a header a value, once.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a header out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    /// Gives a header another name.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let value = self.get(from);
        self.remove(from);
        self.set(to, &value);
    }

    /// Sends a header a second time.
    pub(crate) fn double(&mut self, name: &str) {
        let value = self.get(name);
        self.headers.push((name.to_owned(), value));
    }

    /// Writes the body's JSON another way: what stands after commas and colons, and what a line starts with.
    pub(crate) fn relayout(&mut self, indent: Option<&str>) {
        let text = String::from_utf8(self.body.clone()).expect("text");
        self.body = relayout(&text, indent).into_bytes();
    }
}

fn relayout(text: &str, indent: Option<&str>) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted {
            out.push(c);
            quoted = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => {
                quoted = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                if !matches!(chars.peek(), Some('}' | ']')) {
                    depth += 1;
                    line(&mut out, depth);
                } else {
                    out.push(chars.next().expect("the closing one"));
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                if indent.is_none() {
                    out.push(' ');
                }
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// A folder in which captures are explained.
pub(crate) struct Bench {
    home: Home,
}

impl Bench {
    /// Without a configuration.
    pub(crate) fn new() -> Self {
        let home = Home::new("", &[]);
        std::fs::remove_file(home.path("gatepost.toml")).expect("there");
        Self { home }
    }

    /// With one.
    pub(crate) fn with(config: &str, files: &[(&str, &str)]) -> Self {
        Self { home: Home::new(config, files) }
    }

    /// Writes a provider into the overlay.
    pub(crate) fn provider(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.home.path("providers")).expect("writable");
        self.home.write(&format!("providers/{name}.toml"), text);
    }

    /// Explains a capture: the exit code and the report.
    pub(crate) fn explain(&self, capture: &Capture) -> (Option<i32>, Value) {
        self.explain_bytes(capture, &capture.raw("\r\n"))
    }

    /// Explains these bytes in a capture's place.
    pub(crate) fn explain_bytes(&self, capture: &Capture, raw: &[u8]) -> (Option<i32>, Value) {
        std::fs::write(self.home.path("request.http"), raw).expect("writable");
        let output = self.home.command(&self.args(capture, &["--json", "request.http"]));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            !text.contains(&capture.secret)
                || raw.windows(capture.secret.len()).any(|w| w == capture.secret.as_bytes())
        );
        (output.status.code(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// What people read.
    pub(crate) fn text(&self, capture: &Capture) -> String {
        std::fs::write(self.home.path("request.http"), capture.raw("\r\n")).expect("writable");
        let output = self.home.command(&self.args(capture, &["request.http"]));
        String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
    }

    /// Explains a capture on standard input.
    pub(crate) fn explain_stdin(&self, capture: &Capture) -> Output {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.home.path("gatepost.toml")).args(self.args(capture, &["-"]));
        command.current_dir(self.home.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        child.stdin.take().expect("piped").write_all(&capture.raw("\r\n")).expect("read");
        child.wait_with_output().expect("it ends")
    }

    fn args<'c>(&self, capture: &'c Capture, last: &[&'c str]) -> Vec<&'c str> {
        self.home.write("secret", &capture.secret);
        let mut args = vec!["explain", "--provider", &capture.provider, "--secret-file", "secret", "--at", &capture.at];
        if let Some(url) = &capture.public_url {
            args.extend(["--public-url", url]);
        }
        for (name, value) in &capture.values {
            args.extend(["--set", Box::leak(format!("{name}={value}").into_boxed_str())]);
        }
        args.extend(last);
        args
    }
}

pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hmac_sha512(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("any key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hexadecimal")).collect()
}
