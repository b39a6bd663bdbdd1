//! `POST /v1/devices`: the device import. Rows go to the device table in chunks, and the sender waits for them. A fault
//! of the whole file after the first chunk leaves the rows before it in the table; importing again is harmless.

use super::{Declared, Parser, bad_type, encoding_of, format_of};
use crate::Shared;
use crate::extract::Caller;
use crate::problem::Problem;
use crate::stream::BodyReader;
use crate::views::{BadDeviceRow, Imported};
use ::audience::devices_file::{BadRow, DeviceReader, ImportFacts, NumberedRow, RowFormat};
use ::audience::{Encoding, ListError};
use axum::Json;
use axum::extract::{Request, State};
use common::audit::AuditEntry;
use common::campaign::ListFormat;
use common::device::DeviceRow;
use common::limits::USER_DEVICES_MAX;
use common::ports::Devices;
use common::time::UnixMs;
use control::{Control, Who};
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use tokio::sync::mpsc;

/// Rows of one call to the device table: about 20 MB of memory, three times over.
const CHUNK_ROWS: usize = 50_000;
/// Bad lines that are named in the answer.
const BAD_NAMED: usize = 100;

pub(crate) async fn post(
    State(app): Shared,
    Caller(who): Caller,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    let (control, limits) = (&app.control, &app.config.limits);
    let (format, encoding) = (row_format(&request)?, encoding_of(request.headers())?);
    let mut body = BodyReader::new(request, limits.upload_bytes_max, limits.upload_idle_timeout())?;
    let (chunks, mut waiting) = mpsc::channel(1);
    let whole = Arc::new(AtomicBool::new(false));
    let all_came = Arc::clone(&whole);
    let parser = Parser::start(move |pieces| parse(pieces, format, encoding, &chunks, &all_came));
    let mut imported = Imported::default();
    let feeding = async move {
        while let Some(piece) = body.next().await? {
            if !parser.feed(piece).await {
                break;
            }
        }
        whole.store(true, Release);
        parser.finish().await
    };
    let storing = store(&*control.backend().devices, &mut waiting, &mut imported);
    let done = both(feeding, storing).await;
    audit(control, &who, &done, &imported).await;
    let parsed = done.map_err(|problem| partly(problem, imported.taken))?;
    Ok(Json(summed_up(imported, parsed)))
}

/// Runs both to their ends. What was handed over before the file proved faulty is still stored, so that the answer can
/// say how much that is; when storing fails, nothing more is read.
async fn both<T>(
    feeding: impl Future<Output = Result<T, Problem>>,
    storing: impl Future<Output = Result<(), Problem>>,
) -> Result<T, Problem> {
    match select(pin!(feeding), pin!(storing)).await {
        Either::Left((Ok(fed), storing)) => storing.await.map(|()| fed),
        Either::Left((Err(fault), storing)) => {
            let _ = storing.await;
            Err(fault)
        }
        Either::Right((stored, feeding)) => match stored {
            Ok(()) => feeding.await,
            Err(fault) => Err(fault),
        },
    }
}

fn row_format(request: &Request) -> Result<Option<RowFormat>, Problem> {
    match format_of(request.headers())? {
        Declared::Format(ListFormat::Csv) => Ok(Some(RowFormat::Csv)),
        Declared::Format(ListFormat::Ndjson) => Ok(Some(RowFormat::Ndjson)),
        Declared::Bytes => Ok(None),
        // A form on a foreign page can send these two.
        Declared::Format(ListFormat::Plain) | Declared::Text | Declared::Nothing => Err(bad_type()),
    }
}

/// Rows on their way to the table, with their lines.
#[derive(Default)]
struct Chunk {
    rows: Vec<DeviceRow>,
    lines: Vec<u64>,
}

/// What the parser found besides good rows.
struct Parsed {
    facts: ImportFacts,
    bad: Vec<BadRow>,
}

/// When a device registered that no row says anything of: long ago. Taking the time of the import instead would keep a
/// dead token for ever, because every import would look like a newer registration than the gateway's date of death.
const UNKNOWN: UnixMs = UnixMs(0);

fn parse(
    pieces: impl Iterator<Item = bytes::Bytes>,
    format: Option<RowFormat>,
    encoding: Option<Encoding>,
    chunks: &mpsc::Sender<Chunk>,
    all_came: &AtomicBool,
) -> Result<Parsed, ListError> {
    let mut reader = DeviceReader::new(format, encoding, UNKNOWN)?;
    let (mut chunk, mut bad) = (Chunk::default(), Vec::new());
    // Nobody takes chunks any more when the table failed or the sender is gone: then the rest is read for nothing.
    let mut on = |row: Result<NumberedRow, BadRow>| match row {
        Ok(NumberedRow { line, row }) => {
            chunk.rows.push(row);
            chunk.lines.push(line);
            if chunk.rows.len() >= CHUNK_ROWS {
                let _ = chunks.blocking_send(std::mem::take(&mut chunk));
            }
        }
        Err(row) if bad.len() < BAD_NAMED => bad.push(row),
        Err(_) => {}
    };
    for piece in pieces {
        reader.feed(&piece, &mut on)?;
    }
    let facts = reader.finish(&mut on)?;
    // A sender that broke off is not heard any more.
    if all_came.load(Acquire) {
        let _ = chunks.blocking_send(chunk);
    }
    Ok(Parsed { facts, bad })
}

async fn store(
    devices: &dyn Devices,
    waiting: &mut mpsc::Receiver<Chunk>,
    imported: &mut Imported,
) -> Result<(), Problem> {
    while let Some(Chunk { rows, lines }) = waiting.recv().await {
        let mut refused = Vec::new();
        let done = devices.upsert(rows, &mut refused).await?;
        imported.taken += done.taken;
        imported.older += done.older;
        imported.refused += done.refused;
        let left = BAD_NAMED.saturating_sub(imported.bad.len());
        let full = |line: u64| BadDeviceRow {
            line,
            field: "user_id".to_owned(),
            why: format!("the user has {USER_DEVICES_MAX} devices already, the most allowed"),
        };
        imported.bad.extend(refused.iter().filter_map(|n| lines.get(*n)).take(left).map(|line| full(*line)));
    }
    Ok(())
}

fn summed_up(mut imported: Imported, parsed: Parsed) -> Imported {
    imported.rows = parsed.facts.rows;
    imported.bad_lines = parsed.facts.bad;
    let bad = |b: BadRow| BadDeviceRow { line: b.line, field: b.field.to_owned(), why: b.why };
    imported.bad.extend(parsed.bad.into_iter().map(bad));
    imported.bad.sort_by_key(|b| b.line);
    imported.bad.truncate(BAD_NAMED);
    imported
}

fn partly(mut problem: Problem, taken: u64) -> Problem {
    if taken > 0 {
        problem.detail.push_str(&format!(
            "; {taken} or more rows before that were taken already, and importing the whole file again is harmless"
        ));
    }
    problem
}

/// The import has no record of its own but this.
async fn audit<T>(control: &Arc<Control>, who: &Who, done: &Result<T, Problem>, imported: &Imported) {
    let (by, from) = (who.name.clone(), who.from.clone());
    let outcome = done.as_ref().map_or_else(|p| format!("failed: {}", p.code()), |_| "done".to_owned());
    let result = format!("{outcome}: {} taken, {} refused", imported.taken, imported.refused);
    let entry = AuditEntry {
        at: control.clock().now(),
        by,
        from,
        action: "devices.import".to_owned(),
        campaign: None,
        result,
    };
    if let Err(error) = control.backend().audit.append(&entry).await {
        tracing::error!(%error, action = entry.action, "audit entry was not written");
    }
}
