//! How a command ends when it doesn't end well.

use std::process::ExitCode;

use crate::style;

/// Why the process ends with a code other than 0. Usage errors (2) are clap's own.
#[derive(Debug)]
pub(crate) enum Exit {
    /// 1: refused or failed.
    Failed(String),
    /// 78: the configuration is bad (`EX_CONFIG` of sysexits.h).
    Configuration(String),
}

impl Exit {
    /// Ends with 1 and a message.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Writes the message to standard error and gives the code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Failed(message) => {
                style::error(&message);
                ExitCode::from(1)
            }
            // Each of its lines has a place and says whether it is an error.
            Self::Configuration(message) => {
                style::note(&message);
                ExitCode::from(78)
            }
        }
    }
}
