//! `infer load compare`: is the second run worse than the first?

use std::{fs, path::Path, path::PathBuf};

use super::Session;
use crate::{
    error::{Failure, Outcome},
    load::{
        Error,
        compare::{Judgement, Request, compare, parse},
    },
};

/// Tell whether run B is worse than run A
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  infer load http://old:8000 --rate 20 --output json > a.ndjson\n  \
                        infer load http://new:8000 --rate 20 --output json > b.ndjson\n  \
                        infer load compare a.ndjson b.ndjson --margin 10%\n\n\
                        Exit codes: 0 not worse · 3 worse · 4 undecided"
)]
pub(super) struct CompareArgs {
    /// Run to compare with, written with --output json
    a: PathBuf,
    /// Run to judge
    b: PathBuf,
    /// How much slower still counts as not worse
    #[arg(long, default_value = "5%", value_parser = margin)]
    margin: f64,
    /// Seed of the resampling
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub(super) async fn run(args: CompareArgs, session: &Session) -> Result<Outcome, Failure> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let comparison = compare(&a, &b, args.margin, args.seed);
    session.ui.answer(&comparison);
    Ok(match comparison.verdict {
        Judgement::NotWorse => Outcome::Done,
        Judgement::Worse => Outcome::AnswerIsNo,
        Judgement::Undecided => Outcome::Undecided,
    })
}

fn read(path: &Path) -> Result<Vec<Request>, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::RunUnread {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|reason| Error::NoRun {
        path: path.to_owned(),
        reason,
    })
}

/// `5%` or `0.05`
fn margin(text: &str) -> Result<f64, String> {
    let wrong =
        || format!("{text:?} is not a valid margin: use a share such as 5%, from 0% to 1000%");
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    let margin = number.trim().parse::<f64>().map_err(|_| wrong())? * scale;
    if (0.0..=10.0).contains(&margin) {
        Ok(margin)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_shares() {
        assert!((margin("5%").unwrap() - 0.05).abs() < 1e-12);
        assert!((margin("0.05").unwrap() - 0.05).abs() < 1e-12);
        for wrong in ["", "five", "-1%", "NaN", "2000%"] {
            assert!(margin(wrong).is_err(), "{wrong}");
        }
    }
}
