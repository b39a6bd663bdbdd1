//! `PUT /v1/campaigns/{id}/audience`: the body goes to the object store as it comes, and past a check on the way. What
//! the check refuses, or what breaks off, leaves nothing behind.

use super::{Declared, Parser, encoding_of, format_of};
use crate::Shared;
use crate::extract::{Caller, Id};
use crate::problem::Problem;
use crate::routes::spawned;
use crate::stream::BodyReader;
use crate::views::Uploaded;
use ::audience::{UploadCheck, UploadFacts};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use common::campaign::{Campaign, ListFormat, Stamp, Upload};
use common::ids::CampaignId;
use common::ports::ObjectWriter;
use common::snapshot::keys;
use control::{Control, ControlError, Who};
use std::sync::Arc;

pub(crate) async fn put(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    request: Request,
) -> Result<(StatusCode, Json<Uploaded>), Problem> {
    let (control, limits) = (Arc::clone(&app.control), &app.config.limits);
    let encoding = encoding_of(request.headers())?;
    let format = match format_of(request.headers())? {
        Declared::Format(known) => Some(known),
        Declared::Text | Declared::Bytes | Declared::Nothing => None,
    };
    let upload = begun(&control, &who, id, format);
    control.may_upload(id, upload.clone()).await?;
    let mut body = BodyReader::new(request, limits.upload_bytes_max, limits.upload_idle_timeout())?;
    let mut writer = control.backend().objects.writer(&upload.object).await?;
    let check = Parser::start(move |pieces| check_all(pieces, UploadCheck::new(format, encoding)?));
    while let Some(piece) = body.next().await? {
        if !check.feed(piece.clone()).await {
            break;
        }
        writer.write(piece).await?;
    }
    let facts = check.finish().await?;
    let upload = Upload { format: facts.format, ..upload };
    let campaign = spawned(async move { keep(&control, &who, id, upload, writer).await }).await?;
    Ok((StatusCode::ACCEPTED, Json(Uploaded { campaign, facts })))
}

/// The upload as it will be written down, with an object key of its own.
fn begun(control: &Control, who: &Who, id: CampaignId, format: Option<ListFormat>) -> Upload {
    Upload {
        object: keys::upload(id, &uuid::Uuid::now_v7().to_string()),
        format: format.unwrap_or(ListFormat::Plain),
        bytes: 0,
        stamp: Stamp::new(&who.name, control.clock().now()),
    }
}

fn check_all(
    pieces: impl Iterator<Item = bytes::Bytes>,
    mut check: UploadCheck,
) -> Result<UploadFacts, ::audience::ListError> {
    for piece in pieces {
        check.feed(&piece)?;
    }
    check.finish()
}

/// Makes the object visible and gives it to the campaign; an object that no campaign took is removed again.
async fn keep(
    control: &Arc<Control>,
    who: &Who,
    id: CampaignId,
    upload: Upload,
    writer: Box<dyn ObjectWriter>,
) -> Result<Campaign, ControlError> {
    let bytes = writer.finish().await?;
    let stamp = Stamp::new(&who.name, control.clock().now());
    let upload = Upload { bytes, stamp, ..upload };
    let taken = control.uploaded(who, id, upload.clone()).await;
    if taken.is_err()
        && !is_named(control, id, &upload.object).await
        && let Err(error) = control.backend().objects.delete(&upload.object).await
    {
        tracing::warn!(%error, object = upload.object, "a refused upload was not removed");
    }
    taken
}

/// Whether the record names this object. A write whose answer was lost may have happened; when nobody can tell, it is
/// kept.
async fn is_named(control: &Arc<Control>, id: CampaignId, object: &str) -> bool {
    match control.get(id).await {
        Ok(campaign) => campaign.upload.is_some_and(|u| u.object == object),
        Err(ControlError::NotFound(_)) => false,
        Err(_) => true,
    }
}
