//! Posts a sample per provider and follows its steps.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::Config;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{narrate::Narrator, steps::Step};
use crate::{
    exit::Exit,
    send::{self, Sent, Wanted},
    style,
};

/// From the post to the last step of one sample.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(10);

/// The samples of a run.
pub(crate) struct Samples {
    config: Arc<Config>,
    narrator: Narrator,
    steps: mpsc::Receiver<Step>,
    /// Whether the built-in backend judges each delivery.
    judged: bool,
}

/// What of one sample was seen so far.
#[derive(Default)]
struct Seen {
    event: Option<String>,
    /// Steps of events, seen before it is known which event is this sample's: the router may be quicker to tell.
    early: Vec<Step>,
    routed: bool,
    delivered: bool,
    checked: bool,
}

impl Samples {
    pub(crate) fn new(config: &Arc<Config>, narrator: Narrator, steps: mpsc::Receiver<Step>, judged: bool) -> Self {
        Self { config: config.clone(), narrator, steps, judged }
    }

    pub(crate) const fn narrator(&self) -> &Narrator {
        &self.narrator
    }

    /// Posts the first sample of each integration, one after the other.
    ///
    /// # Errors
    /// When one was not delivered and verified in time.
    pub(crate) async fn post_all(&mut self, shutdown: &CancellationToken) -> Result<(), Exit> {
        let config = self.config.clone();
        let mut passed = 0;
        for integration in &config.integrations {
            let title = integration.provider.title.clone();
            let sample = integration.provider.samples.first().map_or("", |sample| sample.event.as_str());
            self.narrator.begin(&title, sample);
            let followed = shutdown
                .run_until_cancelled(tokio::time::timeout(SAMPLE_DEADLINE, self.post(integration.id.as_str(), &title)));
            match followed.await {
                None => return Err(Exit::failed("stopped before every sample was through")),
                Some(Ok(Ok(()))) => passed += 1,
                Some(Ok(Err(why))) => self.narrator.failed(&title, &why),
                Some(Err(_)) => self.narrator.failed(&title, "not through within 10 s"),
            }
        }
        let judge = if self.judged { "delivered, and their signatures checked by the backend" } else { "delivered" };
        self.narrator.summary(passed, config.integrations.len(), judge);
        match passed == config.integrations.len() {
            true => Ok(()),
            false => Err(Exit::failed("not every sample was delivered and verified")),
        }
    }

    /// Prints every further step until the process is to stop.
    pub(crate) async fn follow(&mut self, shutdown: &CancellationToken) {
        let mut began = Instant::now();
        while let Some(Some(step)) = shutdown.run_until_cancelled(self.steps.recv()).await {
            if step.word == "received" {
                began = step.at;
                self.narrator.remark(&style::paint(style::DIM, "—"));
            }
            self.narrator.step("", began, &step);
        }
    }

    async fn post(&mut self, integration: &str, title: &str) -> Result<(), String> {
        let posted = Instant::now();
        let Sent { answer, .. } =
            send::sample(&self.config, &Wanted { integration, event: None, to: None }, None).await?;
        let request = answer.head.headers.get("gatepost-request-id").and_then(|id| id.to_str().ok());
        let request = request.ok_or("the gateway's answer has no gatepost-request-id")?.to_owned();
        let mut seen = Seen::default();
        while !seen.through(self.judged) {
            let step = self.steps.recv().await.ok_or("the process stopped")?;
            for step in seen.take(&request, step) {
                self.narrator.step(title, posted, &step);
                match (step.word.as_str(), step.field("result")) {
                    ("stored", "unmatched") => return Err("no connection claims the sample's account".to_owned()),
                    ("refused", _) => return Err(format!("refused: {}", step.field("reason"))),
                    ("retrying", _) => return Err(format!("not delivered: {}", step.field("error"))),
                    ("dead", _) => return Err(format!("dead letter: {}", step.field("reason"))),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Seen {
    /// Notes a step; gives the steps now known to be of this sample, in order.
    fn take(&mut self, request: &str, step: Step) -> Vec<Step> {
        let mut ours = Vec::new();
        if step.field("request") == request {
            if step.word == "stored" {
                self.event = Some(step.field("event").to_owned());
            }
            ours.push(step);
        } else if !step.field("event").is_empty() {
            self.early.push(step);
        }
        if let Some(event) = &self.event {
            let early = std::mem::take(&mut self.early);
            ours.extend(early.into_iter().filter(|step| step.field("event") == event));
        }
        for step in &ours {
            self.routed |= step.word == "routed";
            self.delivered |= step.word == "delivered";
            self.checked |= step.word == "checked" && step.field("result") == "genuine";
        }
        ours
    }

    const fn through(&self, judged: bool) -> bool {
        self.routed && self.delivered && (self.checked || !judged)
    }
}
