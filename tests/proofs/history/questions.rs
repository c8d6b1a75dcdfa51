//! What is asked of the history, by what it is chosen by.

use super::fill;

/// Every kind of question, several of each.
pub(super) fn all(count: usize) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for n in [0, count / 3, count / 2, count - 7] {
        let (connection, tenant, kind) = (fill::connection(n), fill::tenant(n), fill::kind(n));
        let mut ask = |name, question: String| all.push((name, question));
        ask("list", "/v1/events".to_owned());
        ask("list, 500", "/v1/events?limit=500".to_owned());
        ask("list by connection", format!("/v1/events?connection={connection}"));
        ask("list by tenant", format!("/v1/events?tenant={tenant}"));
        ask("list by type", format!("/v1/events?type={kind}"));
        ask("list by account", format!("/v1/events?account={}", fill::account(n)));
        for state in ["waiting", "delivered", "dead", "filtered", "unrouted", "unmatched"] {
            ask("list by state", format!("/v1/events?state={state}"));
        }
        ask("list by type and state", format!("/v1/events?type={kind}&state=dead"));
        ask("list by three, few", format!("/v1/events?integration=github&type={kind}&state=waiting&tenant={tenant}"));
        ask("list, nothing fits", format!("/v1/events?state=filtered&type={}", fill::kind(14)));
        ask("list until", "/v1/events?until=2020-01-01T00:00:00Z".to_owned());
        ask("deliveries", "/v1/deliveries".to_owned());
        for status in ["waiting", "delivered", "dead"] {
            ask("deliveries by status", format!("/v1/deliveries?status={status}"));
        }
        ask("deliveries by two", format!("/v1/deliveries?status=dead&tenant={tenant}"));
        ask("deliveries by type", format!("/v1/deliveries?status=dead&type={kind}"));
        ask("search: provider's id", format!("/v1/search?q=n-{n}"));
        ask("search: account", format!("/v1/search?q={}", fill::account(n)));
        ask("search: connection", format!("/v1/search?q={connection}"));
        ask("search: a rare word", format!("/v1/search?q=user{n}@example.com"));
        ask("search: a common word", "/v1/search?q=refs".to_owned());
        ask("search: two common words", "/v1/search?q=refs%20example".to_owned());
        ask("search: common and rare", format!("/v1/search?q=refs%20{}", fill::city(n)));
        ask("search: two that never meet", format!("/v1/search?q={}%20{}", fill::city(n), fill::city(n + 1)));
        ask("search: a beginning", format!("/v1/search?q=user{}*", n / 10));
        ask("search: nothing", "/v1/search?q=nowhere".to_owned());
    }
    all
}
