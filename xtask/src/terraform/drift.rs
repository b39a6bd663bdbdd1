//! What the Terraform files repeat from elsewhere: calls that roles allow, metric names, settings, the user. A role that lacks a
//! call, or an alarm on a metric that nobody writes, would be noticed on the evening itself.

use anyhow::{Context, bail};
use std::path::Path;

/// Calls of the SDK in `crates/aws`, and the action that each needs. Parts of a multipart upload are `s3:PutObject`, a
/// head is `s3:GetObject`.
const CALLS: &[(&str, &str)] = &[
    (".get_item()", "dynamodb:GetItem"),
    (".batch_get_item()", "dynamodb:BatchGetItem"),
    (".put_item()", "dynamodb:PutItem"),
    (".update_item()", "dynamodb:UpdateItem"),
    (".delete_item()", "dynamodb:DeleteItem"),
    (".batch_write_item()", "dynamodb:BatchWriteItem"),
    (".query()", "dynamodb:Query"),
    (".scan()", "dynamodb:Scan"),
    (".describe_table()", "dynamodb:DescribeTable"),
    (".batch_execute_statement()", "dynamodb:PartiQLUpdate"),
    (".get_queue_url()", "sqs:GetQueueUrl"),
    (".get_queue_attributes()", "sqs:GetQueueAttributes"),
    (".send_message_batch()", "sqs:SendMessage"),
    (".receive_message()", "sqs:ReceiveMessage"),
    (".delete_message_batch()", "sqs:DeleteMessage"),
    (".change_message_visibility_batch()", "sqs:ChangeMessageVisibility"),
    (".purge_queue()", "sqs:PurgeQueue"),
    (".get_object()", "s3:GetObject"),
    (".put_object()", "s3:PutObject"),
    (".delete_object()", "s3:DeleteObject"),
    (".list_objects_v2()", "s3:ListBucket"),
    (".abort_multipart_upload()", "s3:AbortMultipartUpload"),
    (".list_parts()", "s3:ListMultipartUploadParts"),
    (".describe_services()", "ecs:DescribeServices"),
    (".update_service()", "ecs:UpdateService"),
];

/// Compares all of it; answers how many names agree.
pub(super) fn none() -> anyhow::Result<usize> {
    let mut calls = String::new();
    sources(Path::new("crates/aws/src"), &mut calls)?;
    let mut faults = calls_and_permissions(&calls, &read("deploy/terraform/permissions.tf")?);

    let known =
        read("crates/telemetry/src/metrics/mod.rs")? + &read("crates/telemetry/src/metrics/labels.rs")?;
    let alarms = read("deploy/terraform/modules/alarms/metrics.tf")?;
    let names = metric_names(&alarms);
    if names.len() < 10 {
        bail!("modules/alarms/metrics.tf names only {} metrics and outcomes", names.len());
    }
    let unknown = names.iter().filter(|name| !known.contains(&format!("\"{name}\"")));
    faults.extend(
        unknown.map(|name| format!("alarms look at `{name}`, which crates/telemetry does not write")),
    );

    let settings = settings(&read("deploy/terraform/services.tf")?);
    let keys = read("deploy/config/api.toml")? + &read("deploy/config/push-worker.toml")?;
    let unknown = settings.iter().filter(|key| !keys.contains(&format!("{key} = ")));
    faults.extend(unknown.map(|key| format!("services.tf sets `{key}`, which deploy/config does not know")));

    let user = read("deploy/Dockerfile")?;
    let user =
        user.lines().find_map(|line| line.strip_prefix("USER ")).context("deploy/Dockerfile has no USER")?;
    if !read("deploy/terraform/variables.tf")?.contains(&format!("\"{user}\"")) {
        faults.push(format!("image_user is not the {user} of deploy/Dockerfile"));
    }
    if !read("crates/common/src/limits.rs")?.contains("RECEIVES_MAX: u32 = 20;") {
        faults.push("common::limits::RECEIVES_MAX is not the 20 of modules/queues".to_owned());
    }
    if !faults.is_empty() {
        bail!("Terraform and code disagree:\n{}", faults.join("\n"));
    }
    Ok(CALLS.len() + names.len() + settings.len() + 2)
}

fn calls_and_permissions(calls: &str, permissions: &str) -> Vec<String> {
    let fault = |(call, action): &(&str, &str)| match (
        calls.contains(call),
        permissions.contains(&format!("\"{action}\"")),
    ) {
        (true, false) => Some(format!("crates/aws calls `{call}`, and permissions.tf has no {action}")),
        (false, true) => Some(format!("permissions.tf has {action}, and crates/aws never calls `{call}`")),
        _ => None,
    };
    CALLS.iter().filter_map(fault).collect()
}

/// The values of `metrics = {` and the keys of `error_percent = {`.
fn metric_names(text: &str) -> Vec<&str> {
    let block = |head: &str| text.split_once(head).and_then(|(_, rest)| rest.split_once('}')).map(|(b, _)| b);
    let entries =
        |head: &str| block(head).unwrap_or_default().lines().filter_map(|line| line.split_once('='));
    let values = entries("  metrics = {").map(|(_, value)| value.trim().trim_matches('"'));
    values.chain(entries("  error_percent = {").map(|(key, _)| key.trim())).collect()
}

/// The keys of all `OWL_SECTION__KEY`, without the three secrets, which files don't hold.
fn settings(text: &str) -> Vec<String> {
    let names =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter_map(|w| w.strip_prefix("OWL_"));
    let keys = names
        .filter(|name| !matches!(*name, "" | "APNS__KEY" | "FCM__SERVICE_ACCOUNT" | "ACCESS__ADMIN_TOKEN"));
    keys.map(|name| name.rsplit("__").next().unwrap_or(name).to_lowercase()).collect()
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// Appends every Rust file of a folder, without white space: calls are often broken over lines.
fn sources(folder: &Path, all: &mut String) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, all)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.extend(std::fs::read_to_string(&path)?.split_whitespace());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_a_spare_permission_are_named() {
        let faults = calls_and_permissions("client.put_item()", "\"dynamodb:GetItem\"");
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("never calls `.get_item()`") && faults[1].contains("no dynamodb:PutItem"));
        assert!(calls_and_permissions("client.put_item()", "\"dynamodb:PutItem\"").is_empty());
    }

    #[test]
    fn settings_are_read_without_secrets() {
        let text = "OWL_LISTEN = 1\nOWL_AWS__BUCKET = x, { OWL_APNS__KEY_ID = y, OWL_APNS__KEY = z }";
        assert_eq!(settings(text), ["listen", "bucket", "key_id"]);
    }

    #[test]
    fn names_are_read_from_both_blocks() {
        let text = "locals {\n  metrics = {\n    a = \"ready\"\n  }\n  error_percent = {\n    b_c = 0.1 # why\n  }\n}\n";
        assert_eq!(metric_names(text), ["ready", "b_c"]);
    }
}
