//! The words of the command line.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Outcome;
use crate::plan::{Books, Round, rounds};

/// How many moments are tried unless somebody says otherwise.
const ROUNDS: u32 = 50;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) seed: u64,
    rounds: u32,
    /// Only this round.
    only: Option<u32>,
    /// Whether to tell step by step what happened, also where nothing was wrong.
    pub(crate) notes: bool,
    /// How many runs go on at once. They mostly wait.
    pub(crate) lanes: usize,
}

impl Asked {
    pub(crate) fn parse(words: &[String]) -> Outcome<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis());
        let lanes = std::thread::available_parallelism().map_or(2, usize::from);
        let mut asked = Self { seed: u64::try_from(now).unwrap_or(0), rounds: ROUNDS, only: None, notes: false, lanes };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || -> Outcome<u64> {
                let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
                value.parse().map_err(|_| format!("{word} needs a number, not \"{value}\""))
            };
            let small = |value: u64| u32::try_from(value).map_err(|_| format!("{value} is too much for {word}"));
            match word.as_str() {
                "--seed" => asked.seed = number()?,
                "--rounds" => asked.rounds = small(number()?)?,
                "--round" => asked.only = Some(small(number()?)?),
                "--lanes" => asked.lanes = usize::try_from(number()?).unwrap_or(1).max(1),
                "--notes" => asked.notes = true,
                other => {
                    return Err(format!(
                        "\"{other}\" is not understood; there are --rounds N (default {ROUNDS}), --seed S, --round R \
                         (only that one), --lanes N (how many at once), --notes (tell each step)"
                    ));
                }
            }
        }
        if asked.only == Some(0) {
            return Err("rounds are numbered from 1".to_owned());
        }
        Ok(asked)
    }

    /// Each round with its books kept, then each with its books lost.
    pub(crate) fn runs(&self) -> Vec<Round> {
        let wanted = |round: &Round| self.only.is_none_or(|only| only == round.number);
        [Books::Kept, Books::Lost]
            .into_iter()
            .flat_map(|books| rounds(self.seed, self.rounds.max(self.only.unwrap_or(0)), books))
            .filter(wanted)
            .collect()
    }
}
