//! The settings of a destination as they are asked for, and as they are kept: secrets apart.

use std::fmt;

use gatepost_config::{Destination, Problems, TenantId, destination};
use gatepost_event::made::Secrets;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// What a destination is to be: the settings of a `[[destination]]` in the configuration, in JSON.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(as = DestinationWish, value_type = Object, example = json!({
    "tenant": "acme-inc", "url": "https://api.example.com/webhooks", "secrets": ["whsec_..."], "events": ["github.*"],
}))]
pub(crate) struct Wish(pub(super) Map<String, Value>);

/// Settings with their secrets apart.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    /// Secrets written as `{ "sealed": name }`.
    pub(super) settings: Map<String, Value>,
    /// By their names.
    pub(super) secrets: Secrets,
}

impl Settings {
    /// Takes the secrets out of a wish.
    ///
    /// # Errors
    /// When it has what only we write.
    pub(super) fn of(id: &str, wish: Map<String, Value>) -> Result<Self, Problem> {
        let mut made = Self { settings: without_nulls(wish), secrets: Secrets::new() };
        if names_sealed(&Value::Object(made.settings.clone())) {
            return Err(Problem::senseless("sealed is no setting; write the secret itself"));
        }
        match made.settings.get("id") {
            None => {}
            Some(Value::String(said)) if said == id => {}
            Some(_) => return Err(Problem::senseless("id is not that of the path; leave it out")),
        }
        made.settings.insert("id".to_owned(), id.into());
        for (place, name) in [("/auth/bearer", "auth.bearer"), ("/auth/basic/password", "auth.basic.password")] {
            made.seal_at(place, name);
        }
        made.seal_at("/client_certificate/key", "client_certificate.key");
        let headers = made.settings.get("headers").and_then(Value::as_object);
        let headers: Vec<String> = headers.into_iter().flat_map(Map::keys).cloned().collect();
        for name in headers {
            let place = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            made.seal_at(&place, &format!("headers.{}", name.to_ascii_lowercase()));
        }
        let keys = made.settings.remove("secrets");
        if let Some(keys) = keys {
            let keys = match keys {
                Value::Array(keys) => keys.into_iter().map(|key| made.key(key)).collect(),
                other => other,
            };
            made.settings.insert("secrets".to_owned(), keys);
        }
        Ok(made)
    }

    /// Reads them as the file's are read.
    ///
    /// # Errors
    /// 422 with everything that is wrong.
    pub(super) fn check(&self) -> Result<Destination, Problem> {
        let sealed = |name: &str| self.secrets.get(name).map(|text| text.as_bytes().to_vec());
        destination(&self.settings, &sealed).map_err(|problems| refused(&problems))
    }

    /// Whose the destination is to be.
    pub(super) fn tenant(&self) -> Option<TenantId> {
        self.settings.get("tenant").and_then(Value::as_str).and_then(|text| text.parse().ok())
    }

    /// A signing secret as it is kept: by a name that tells nothing of it.
    pub(super) fn key(&mut self, key: Value) -> Value {
        let (text, until) = match key {
            Value::String(text) => (text, None),
            Value::Object(mut object) if object.keys().all(|name| name == "secret" || name == "until") => {
                match object.remove("secret") {
                    Some(Value::String(text)) => (text, object.remove("until")),
                    _ => return Value::Object(object),
                }
            }
            other => return other,
        };
        let hash: String = Sha256::digest(&text).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("secrets.{hash}");
        self.secrets.insert(name.clone(), text);
        match until {
            Some(until) => json!({ "sealed": name, "until": until }),
            None => json!({ "sealed": name }),
        }
    }

    /// A text at a place, if there is one, becomes the name of a secret.
    fn seal_at(&mut self, place: &str, name: &str) {
        let mut root = Value::Object(std::mem::take(&mut self.settings));
        if let Some(found) = root.pointer_mut(place)
            && let Value::String(text) = found
        {
            self.secrets.insert(name.to_owned(), std::mem::take(text));
            *found = json!({ "sealed": name });
        }
        if let Value::Object(settings) = root {
            self.settings = settings;
        }
    }
}

/// TOML has no null: what is null is not said.
fn without_nulls(object: Map<String, Value>) -> Map<String, Value> {
    let kept = object.into_iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| {
        let value = match value {
            Value::Object(inner) => without_nulls(inner).into(),
            other => other,
        };
        (name, value)
    })
    .collect()
}

fn names_sealed(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(name, value)| name == "sealed" || names_sealed(value)),
        Value::Array(items) => items.iter().any(names_sealed),
        _ => false,
    }
}

fn refused(problems: &Problems) -> Problem {
    let told = problems.iter().map(|problem| format!("{} {}; {}", problem.key, problem.message, problem.remedy));
    Problem::senseless(told.collect::<Vec<_>>().join("\n"))
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";

    fn of(wish: Value) -> Result<Settings, Problem> {
        let Value::Object(wish) = wish else { panic!("an object") };
        Settings::of("a", wish)
    }

    #[test]
    fn secrets_stand_apart_and_what_is_wrong_is_told_as_of_a_file() {
        let good = json!({ "url": "https://example.com/", "secrets": [SECRET, { "secret": SECRET.replace('M', "N"), "until": "2030-01-01T00:00:00Z" }],
            "headers": { "X-Api-Key": "hush hush" }, "auth": { "bearer": "a-bearer-token" }, "events": null, "concurrency": 4 });
        let made = of(good.clone()).expect("good");
        let text = serde_json::to_string(&made.settings).expect("JSON");
        for secret in ["whsec", "hush", "a-bearer-token"] {
            assert!(!text.contains(secret), "{text}");
        }
        let read = made.check().expect("good");
        assert_eq!((read.secrets.len(), read.headers.len(), read.concurrency), (2, 1, 4));
        assert!(read.secrets[1].until().is_some());
        for (pointer, bad) in [
            ("/url", json!("http://169.254.169.254/")),
            ("/url", json!({ "env": "PATH" })),
            ("/secrets", json!([])),
            ("/secrets", json!([{ "env": "PATH" }])),
            ("/secrets", json!(["short"])),
            ("/concurrency", json!("many")),
        ] {
            let mut wish = good.clone();
            *wish.pointer_mut(pointer).expect("there") = bad.clone();
            assert!(of(wish).and_then(|made| made.check()).is_err(), "{pointer} {bad}");
        }
        assert!(of(json!({ "url": "https://example.com/", "secrets": [{ "sealed": "auth.bearer" }] })).is_err());
        assert!(of(json!({ "id": "b" })).is_err());
    }
}
