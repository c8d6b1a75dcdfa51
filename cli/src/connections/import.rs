//! `gatepost connections import`: a file in parts, so that neither side holds more than one of them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::nango;
use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
    style,
};

/// Rows of one part, and its longest body.
const PART_ROWS: usize = 500;
const PART_BYTES: usize = 2 * 1024 * 1024;
/// The longest row.
const ROW_BYTES_MAX: u64 = 256 * 1024;
/// Refused rows that are told one by one.
const TOLD_MAX: usize = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The file; `-` for standard input. With --from-nango the answer of Nango's `GET /connections`, or Nango's URL
    source: String,
    /// Read what Nango lists: its integrations' ids are taken for integrations of the same name
    #[arg(long)]
    from_nango: bool,
    /// With --from-nango: an integration that has another name here; may be given several times
    #[arg(long, value_name = "NANGO=GATEPOST", requires = "from_nango")]
    rename: Vec<String>,
    /// Nango's secret key; better given in the environment than here, where others see it
    #[arg(long, env = "NANGO_SECRET_KEY", hide_env_values = true, default_value = "", value_name = "KEY")]
    nango_key: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// What came of it so far.
#[derive(Default)]
struct Sum {
    rows: u64,
    imported: u64,
    created: u64,
    refused: Vec<Value>,
    refused_count: u64,
}

/// Imports.
pub(super) async fn import(args: &ImportArgs) -> Result<(), Exit> {
    let mut sum = Sum::default();
    if args.from_nango {
        let rows = nango::rows(&args.source, &args.nango_key, &args.rename).await?;
        for part in rows.chunks(PART_ROWS) {
            let lines: Vec<String> = part.iter().map(Value::to_string).collect();
            send(args, &mut sum, lines.join("\n").into_bytes(), part.len()).await?;
        }
    } else {
        let unreadable = |error: std::io::Error| Exit::failed(format!("{}: {error}", args.source));
        let mut reader: Box<dyn BufRead + Send> = match args.source.as_str() {
            "-" => Box::new(BufReader::new(std::io::stdin())),
            path => Box::new(BufReader::new(File::open(Path::new(path)).map_err(unreadable)?)),
        };
        loop {
            let (part, rows) = part(&mut reader).map_err(unreadable)?;
            if rows == 0 {
                break;
            }
            send(args, &mut sum, part, rows).await?;
        }
    }
    end(args, &sum)
}

/// The next rows as they stand.
fn part<R: BufRead>(reader: &mut R) -> std::io::Result<(Vec<u8>, usize)> {
    let (mut part, mut rows) = (Vec::new(), 0);
    while rows < PART_ROWS && part.len() < PART_BYTES {
        let before = part.len();
        let mut row = reader.by_ref().take(ROW_BYTES_MAX);
        if row.read_until(b'\n', &mut part)? == 0 {
            break;
        }
        if part.last() != Some(&b'\n') && (part.len() - before) as u64 == ROW_BYTES_MAX {
            let message = format!("a row is longer than {} KiB", ROW_BYTES_MAX / 1024);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
        }
        rows += 1;
    }
    Ok((part, rows))
}

/// Sends a part; rows are counted over all parts.
async fn send(args: &ImportArgs, sum: &mut Sum, part: Vec<u8>, rows: usize) -> Result<(), Exit> {
    let report = api::post_lines(&args.api, &["connections", "import"], Bytes::from(part)).await?;
    let count = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    for error in report.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let row = sum.rows + error.get("row").and_then(Value::as_u64).unwrap_or(0);
        sum.refused_count += 1;
        if sum.refused.len() < TOLD_MAX {
            let told = json!({ "row": row, "connection": error.get("connection"), "code": error.get("code"),
                "detail": error.get("detail") });
            if !args.api.json {
                let words = [field(&told, "connection"), field(&told, "code"), field(&told, "detail")].join("  ");
                style::warning(&format!("row {row}: {words}"));
            }
            sum.refused.push(told);
        }
    }
    sum.rows += rows as u64;
    sum.imported += count("imported");
    sum.created += count("created");
    if !args.api.json {
        style::note(&format!("{} rows, {} imported, {} refused", sum.rows, sum.imported, sum.refused_count));
    }
    Ok(())
}

fn end(args: &ImportArgs, sum: &Sum) -> Result<(), Exit> {
    let Sum { rows, imported, created, refused, refused_count } = sum;
    match args.api.json {
        true => api::print(&json!({ "rows": rows, "imported": imported, "created": created, "errors": refused })),
        false => style::line(&format!("{imported} of {rows} rows are imported, {created} of them new")),
    }
    match refused_count {
        0 => Ok(()),
        count => Err(Exit::failed(format!("{count} rows were refused"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_in_parts_of_whole_rows() {
        let text = (0..1234).map(|n| format!("{{\"id\":\"{n}\"}}\n")).collect::<String>() + "last";
        let mut reader = text.as_bytes();
        let (mut all, mut parts) = (Vec::new(), Vec::new());
        loop {
            let (bytes, rows) = part(&mut reader).expect("readable");
            if rows == 0 {
                break;
            }
            all.extend(bytes);
            parts.push(rows);
        }
        assert_eq!((parts, all), (vec![500, 500, 235], text.into_bytes()));
        let long = "x".repeat(300 * 1024);
        assert!(part(&mut long.as_bytes()).is_err(), "too long a row");
    }
}
