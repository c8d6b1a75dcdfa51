//! Where a URL's path leads.

/// What a path names, exactly as it was sent: nothing is decoded or normalised, so only one spelling is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    /// `/webhooks/<integration>`.
    Integration(&'a str),
    /// `/webhooks/<integration>/<connection>`.
    Connection(&'a str, &'a str),
    /// `/webhook/<environment>/<integration>`, as Nango's users have given it to providers.
    Nango(&'a str, &'a str),
    /// Anything else.
    Nowhere,
}

impl<'a> Path<'a> {
    /// Reads a path without its query.
    pub(crate) fn of(path: &'a str) -> Self {
        let mut segments = path.split('/');
        let mut next = || segments.next().filter(|segment| !segment.is_empty());
        // What stands before the first slash is empty.
        let (None, kind, first, second) = (next(), next(), next(), next()) else { return Self::Nowhere };
        // After a last slash stands an empty segment, which is one too many.
        let slashes = path.bytes().filter(|byte| *byte == b'/').count();
        match (kind, first, second, slashes) {
            (Some("webhooks"), Some(integration), None, 2) => Self::Integration(integration),
            (Some("webhooks"), Some(integration), Some(connection), 3) => Self::Connection(integration, connection),
            (Some("webhook"), Some(environment), Some(integration), 3) => Self::Nango(environment, integration),
            _ => Self::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn a_path_leads_to_an_integration_or_a_connection_of_it() {
        assert_eq!(Path::of("/webhooks/github"), Path::Integration("github"));
        assert_eq!(Path::of("/webhooks/github/acme"), Path::Connection("github", "acme"));
        assert_eq!(Path::of("/webhook/dev-1/github"), Path::Nango("dev-1", "github"));
    }

    #[test]
    fn only_one_spelling_of_a_path_is_found() {
        for path in [
            "",
            "/",
            "*",
            "webhooks/github",
            "/webhooks",
            "/webhooks/",
            "/webhooks//acme",
            "/webhooks/github/",
            "/webhooks/github/acme/",
            "/webhooks/github/acme/more",
            "//webhooks/github",
            "/Webhooks/github",
            "/webhook/github",
            "/webhook/dev-1/",
            "/webhook/dev-1/github/acme",
        ] {
            assert_eq!(Path::of(path), Path::Nowhere, "{path}");
        }
        assert_eq!(Path::of("/webhooks/git%68ub"), Path::Integration("git%68ub"), "nothing is decoded");
    }
}
