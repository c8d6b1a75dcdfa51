//! Where the API is asked for, and who said that it is there.

use clap::{ArgMatches, Command, Error, FromArgMatches, parser::ValueSource};
use url::Url;

/// The API's address.
#[derive(Debug)]
pub(crate) struct Address {
    url: Url,
    source: Option<ValueSource>,
}

#[derive(clap::Args)]
struct Given {
    /// Where the admin API is
    #[arg(long, env = "GATEPOST_URL", default_value = "http://127.0.0.1:8081", value_name = "URL", value_parser = url)]
    url: Url,
}

fn url(text: &str) -> Result<Url, String> {
    let url = text.parse::<Url>().map_err(|error| error.to_string());
    match url.as_ref().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        true => url,
        false => Err("write it with its scheme, such as http://127.0.0.1:8081".to_owned()),
    }
}

impl Address {
    /// The address itself.
    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// What to do when who answers there is not the API.
    pub(crate) fn no_api(&self, status: u16) -> String {
        format!(
            "{} answered {status}, and not as the API does; give --url or GATEPOST_URL the address at admin.listen, which is \
             neither gateway.listen nor ops.listen",
            self.url
        )
    }

    /// What to do when nobody answers there, and why that is.
    pub(crate) fn unanswered(&self, why: &str) -> String {
        let source = match self.source {
            Some(ValueSource::CommandLine) => "from --url",
            Some(ValueSource::EnvVariable) => "from GATEPOST_URL",
            _ => "the default; say where it is with --url or GATEPOST_URL",
        };
        format!(
            "{why}\n  asked: the API at {} ({source})\n  remedy: have `gatepost run`, or `gatepost run admin`, run there; \
             it serves the API at admin.listen once admin.api_keys has a key, and its log says at which address",
            self.url
        )
    }
}

impl clap::Args for Address {
    fn augment_args(command: Command) -> Command {
        Given::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}

impl FromArgMatches for Address {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Given { url } = Given::from_arg_matches(matches)?;
        Ok(Self { url, source: matches.value_source("url") })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
