//! The story, step by step: each is done, seen to hold, and told.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas::auth::Secret;
use atlas::{Error, HttpProbe, Money, Probe, ProbeRequest};
use serde_json::{Value, json};

use super::home::{self, Home};
use super::link::{Link, unexpected};
use super::protocol::{Ask, Say, View};
use crate::failure::Failure;
use crate::output::Output;

/// After how long without a touch a session of the demo ends.
const IDLE: Duration = Duration::from_secs(4);

/// How often a user who is there says so.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long an idle session may outlive its time-out: activity is rounded up to a second, and stored up to five seconds
/// ahead, so that a killed orchestrator ends nobody early.
const IDLE_SLACK: Duration = Duration::from_secs(10);

/// Who comes.
const USERS: [&str; 20] = [
    "ada", "grace", "alan", "edsger", "barbara", "donald", "frances", "john", "radia", "ken", "lynn", "dennis",
    "margaret", "niklaus", "shafi", "leslie", "jean", "tony", "karen", "robin",
];

/// One user at their machine.
#[derive(Debug, Clone)]
struct Visit {
    user: &'static str,
    session: String,
    machine: String,
    url: String,
    key: Secret,
}

/// The story as it is being told.
#[derive(Debug)]
pub(super) struct Story {
    output: Output,
    folder: std::path::PathBuf,
    step: u32,
    visits: Vec<Visit>,
    bill: BTreeMap<String, (String, String, Money)>,
}

impl Story {
    pub(super) fn new(output: Output, home: &Home) -> Self {
        Self { output, folder: home.path().to_owned(), step: 0, visits: Vec::new(), bill: BTreeMap::new() }
    }

    /// All of it.
    pub(super) async fn tell(&mut self, link: &mut Link, sessions: u8, stay: bool) -> Result<(), Failure> {
        let probe = HttpProbe::new()?;
        self.take_over(link).await?;
        self.open_sessions(link, sessions).await?;
        self.talk(&probe).await?;
        if stay {
            return self.stay(link).await;
        }
        self.crash(link, &probe).await?;
        self.idle(link, &probe).await?;
        self.leave(link, &probe).await
    }

    /// What an earlier demo left is this one's to end.
    async fn take_over(&mut self, link: &mut Link) -> Result<(), Failure> {
        let pid = link.pid().map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        self.say(&format!("started an orchestrator (process {pid})"), &json!({"process": link.pid()}))?;
        let left = link.sessions().await?;
        if left.is_empty() {
            return Ok(());
        }
        for view in &left {
            // One that is ending already needs no word.
            let _ = link.ask(Ask::End { session: view.session.clone() }).await;
        }
        let users: Vec<_> = left.iter().map(|view| view.user.as_str()).collect();
        self.say(
            &format!(
                "an earlier demo had left {} sessions ({}): took them over and ended them",
                left.len(),
                users.join(", ")
            ),
            &json!({"ended": left.iter().map(|view| &view.session).collect::<Vec<_>>()}),
        )
    }

    async fn open_sessions(&mut self, link: &mut Link, sessions: u8) -> Result<(), Failure> {
        let users = &USERS[..usize::from(sessions).min(USERS.len())];
        let mut seen = Vec::new();
        for user in users {
            // Two tabs of the same user at once.
            let ask = || Ask::Ensure { user: (*user).to_owned(), idle_seconds: IDLE.as_secs() };
            let (first, second) = (link.question(ask()).await?, link.question(ask()).await?);
            let (Say::Session(first), Say::Session(second)) = (first.answer().await?, second.answer().await?) else {
                return Err(Failure::from(Error::unknown("the demo's orchestrator answered what was not asked")));
            };
            hold(first.session == second.session, || format!("two tabs of {user} got two sessions"))?;
            seen.push((*user, first));
        }
        for (user, view) in seen {
            let say = link.ask(Ask::Endpoint { session: view.session.clone() }).await?;
            let Say::Endpoint { url, key, machine, .. } = say else { return Err(unexpected(&say)) };
            self.visits.push(Visit { user, session: view.session, machine, url, key: Secret::new(key.0) });
        }
        let machines: std::collections::BTreeSet<_> = self.visits.iter().map(|visit| &visit.machine).collect();
        hold(machines.len() == self.visits.len(), || "two users share a machine".to_owned())?;
        let words = format!(
            "{} users came, each with two tabs, and each got one machine of their own: {}",
            self.visits.len(),
            self.visits.iter().map(|visit| format!("{} at {}", visit.user, visit.url)).collect::<Vec<_>>().join(", ")
        );
        let data: Vec<_> = self
            .visits
            .iter()
            .map(|visit| json!({"user": visit.user, "session": visit.session, "machine": visit.machine, "url": visit.url}))
            .collect();
        self.say(&words, &json!({"sessions": data}))
    }

    /// The browser talks to its machine directly: no backend in between.
    async fn talk(&mut self, probe: &HttpProbe) -> Result<(), Failure> {
        for (index, visit) in self.visits.iter().enumerate() {
            let with = ask(probe, visit, Some(&visit.key)).await;
            hold(with == Some(200), || format!("{}'s machine answered {} to its key", visit.user, told(with)))?;
            let without = ask(probe, visit, None).await;
            hold(without == Some(401), || {
                format!("{}'s machine answered {} without a key", visit.user, told(without))
            })?;
            let other =
                self.visits.get(index + 1).or_else(|| self.visits.first()).filter(|other| other.user != visit.user);
            if let Some(other) = other {
                let foreign = ask(probe, visit, Some(&other.key)).await;
                hold(foreign == Some(401), || {
                    format!("{}'s machine answered {} to the key of {}", visit.user, told(foreign), other.user)
                })?;
            }
        }
        self.say(
            "each browser talked to its machine directly: 200 with its key, 401 without it or with another user's",
            &json!({"with_key": 200, "without_key": 401, "with_another_key": 401}),
        )
    }

    /// kill -9 in mid-session: the users notice nothing.
    async fn crash(&mut self, link: &mut Link, probe: &HttpProbe) -> Result<(), Failure> {
        let before = link.pid();
        link.kill().await?;
        for visit in &self.visits {
            let status = ask(probe, visit, Some(&visit.key)).await;
            hold(status == Some(200), || {
                format!("{}'s machine answered {} while the orchestrator was dead", visit.user, told(status))
            })?;
        }
        link.reopen().await?;
        for visit in &self.visits {
            let say = link.ask(Ask::Endpoint { session: visit.session.clone() }).await?;
            let Say::Endpoint { url, key, machine, .. } = say else { return Err(unexpected(&say)) };
            let same = url == visit.url && machine == visit.machine && key.0 == visit.key.expose();
            hold(same, || format!("{} got another machine or key after the crash", visit.user))?;
        }
        let sessions = link.sessions().await?;
        hold(sessions.len() == self.visits.len(), || {
            format!("{} sessions live after the crash instead of {}", sessions.len(), self.visits.len())
        })?;
        self.say(
            &format!(
                "killed the orchestrator in mid-session (kill -9 of process {}) and started another: every user kept \
                 machine, address and key, and none was rented twice",
                before.map_or_else(|| "?".to_owned(), |pid| pid.to_string())
            ),
            &json!({"killed": before, "started": link.pid()}),
        )
    }

    /// One user stays and says so; the others fall silent.
    async fn idle(&mut self, link: &mut Link, probe: &HttpProbe) -> Result<(), Failure> {
        let Some((stays, silent)) = self.visits.split_first().map(|(first, rest)| (first.clone(), rest.to_vec()))
        else {
            return Ok(());
        };
        if silent.is_empty() {
            return Ok(());
        }
        let mut endings = Vec::new();
        for visit in &silent {
            endings.push((visit.clone(), link.question(Ask::Ended { session: visit.session.clone() }).await?));
        }
        let mut waiting = Box::pin(async {
            let mut views = Vec::new();
            for (visit, ending) in endings {
                match ending.answer().await? {
                    Say::Session(view) => views.push((visit, view)),
                    other => return Err(unexpected(&other)),
                }
            }
            Ok::<_, Failure>(views)
        });
        let limit = tokio::time::sleep(IDLE + IDLE_SLACK);
        tokio::pin!(limit);
        let ended = loop {
            tokio::select! {
                views = &mut waiting => break views?,
                () = &mut limit => return Err(broken("a silent session was not ended in time")),
                () = tokio::time::sleep(HEARTBEAT) => {
                    link.ask(Ask::Touch { session: stays.session.clone() }).await?;
                }
            }
        };
        for (visit, view) in ended {
            hold(view.reason.as_deref() == Some("idle"), || format!("{} was ended for another reason", visit.user))?;
            let status = ask(probe, &visit, Some(&visit.key)).await;
            hold(status.is_none(), || {
                format!("{}'s machine still answers {} after its end", visit.user, told(status))
            })?;
            self.note(&view);
        }
        let status = ask(probe, &stays, Some(&stays.key)).await;
        hold(status == Some(200), || format!("{}, who was there all the time, lost their machine", stays.user))?;
        let view = link.session(Ask::View { session: stays.session.clone() }).await?;
        hold(view.phase == "ready", || format!("{}'s session is {}", stays.user, view.phase))?;
        let users: Vec<_> = silent.iter().map(|visit| visit.user).collect();
        self.visits.truncate(1);
        self.say(
            &format!(
                "{} fell silent: after {} s without a heartbeat their machines were ended; {}, who kept touching, still has theirs",
                users.join(" and "), IDLE.as_secs(), stays.user
            ),
            &json!({"ended": users, "kept": stays.user}),
        )
    }

    async fn leave(&mut self, link: &mut Link, probe: &HttpProbe) -> Result<(), Failure> {
        let Some(visit) = self.visits.pop() else { return Ok(()) };
        let view = link.session(Ask::End { session: visit.session.clone() }).await?;
        hold(view.phase == "ended", || format!("{}'s session is {}", visit.user, view.phase))?;
        let status = ask(probe, &visit, Some(&visit.key)).await;
        hold(status.is_none(), || format!("{}'s machine still answers {} after its end", visit.user, told(status)))?;
        self.note(&view);
        self.say(&format!("{} left: their machine was ended at once", visit.user), &json!({"ended": visit.user}))
    }

    /// All stay in use until somebody presses Ctrl-C.
    async fn stay(&mut self, link: &mut Link) -> Result<(), Failure> {
        self.say("all stay in use until Ctrl-C", &json!({"stays": true}))?;
        loop {
            link.revive().await?;
            for visit in &self.visits {
                // One that was lost with a killed orchestrator is touched the next time round.
                let _ = link.ask(Ask::Touch { session: visit.session.clone() }).await;
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    /// Ends whatever lives, and sees that nothing is left: neither in the books nor among the machines.
    pub(super) async fn end_all(&mut self, link: &mut Link) -> Result<(), Failure> {
        link.revive().await?;
        for view in link.sessions().await? {
            let ending = if view.phase == "ending" {
                Ask::Ended { session: view.session }
            } else {
                Ask::End { session: view.session }
            };
            let ended = link.session(ending).await?;
            self.note(&ended);
        }
        let say = link.ask(Ask::Exposure).await?;
        let Say::Exposure { items } = say else { return Err(unexpected(&say)) };
        hold(items.is_empty(), || {
            format!("this is there, and the demo's store does not know why: {}; see `atlas reap`", items.join("; "))
        })?;
        let account = home::atlas(&self.folder)?.provider(home::account()?.as_str())?;
        let left = account.list(&atlas::ComputeFilter::all()).await?;
        hold(left.is_empty(), || format!("{} machines are still there; run `atlas reap`", left.len()))
    }

    fn note(&mut self, view: &View) {
        let reason = view.reason.clone().unwrap_or_default();
        self.bill.insert(view.session.clone(), (view.user.clone(), reason, view.cost));
    }

    /// The bill, and the last word.
    pub(super) fn finish(&mut self) -> std::io::Result<()> {
        let total: Money = self.bill.values().map(|(_, _, cost)| *cost).sum();
        let lines: Vec<_> =
            self.bill.values().map(|(user, reason, cost)| format!("{user} ${cost} ({reason})")).collect();
        let data: Vec<_> = self
            .bill
            .iter()
            .map(|(session, (user, reason, cost))| json!({"session": session, "user": user, "reason": reason, "cost": cost}))
            .collect();
        self.write(
            &format!(
                "the bill, at a pretended $3.60 an hour: {}; together ${total}. Nothing is left running.",
                lines.join(", ")
            ),
            &json!({"bill": data, "total": total, "left_running": 0}),
        )
    }

    fn say(&mut self, words: &str, data: &Value) -> Result<(), Failure> {
        Ok(self.write(words, data)?)
    }

    fn write(&mut self, words: &str, data: &Value) -> std::io::Result<()> {
        self.step += 1;
        let step = self.step;
        self.output.result(&json!({"step": step, "words": words, "data": data}), || format!("{step}. {words}"))
    }
}

/// A step that was not seen to hold ends the story.
fn hold(held: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if held { Ok(()) } else { Err(broken(&otherwise())) }
}

fn broken(what: &str) -> Failure {
    Failure::from(Error::unknown(format!("the demo failed: {what}")))
}

fn told(status: Option<u16>) -> String {
    status.map_or_else(|| "nothing".to_owned(), |status| status.to_string())
}

/// One request as a browser sends it; `None` when nobody answers.
async fn ask(probe: &HttpProbe, visit: &Visit, key: Option<&Secret>) -> Option<u16> {
    let request = ProbeRequest::new(visit.url.as_str()).bearer(key.cloned());
    probe.ask(&request).await.ok().map(|answer| answer.status)
}
