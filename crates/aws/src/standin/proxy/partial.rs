//! Batches of which only a part is done: some entries are taken out of the request before it is forwarded, and reported
//! in the answer as failed, each kind of batch in its own way.

use super::answer::target;
use bytes::Bytes;
use hyper::header::CONTENT_LENGTH;
use hyper::{Request, Response};
use serde_json::{Map, Value, json};

/// How a batch reports what was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// SQS: a list of failed entries by id.
    Queue,
    /// DynamoDB's BatchGetItem: keys to be asked for again.
    Keys,
    /// DynamoDB's BatchWriteItem: items to be written again.
    Items,
    /// DynamoDB's BatchExecuteStatement: an error in the statement's place.
    Statements,
}

fn kind<B>(request: &Request<B>) -> Option<Kind> {
    match target(request).split('.').next_back()? {
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => Some(Kind::Queue),
        "BatchGetItem" => Some(Kind::Keys),
        "BatchWriteItem" => Some(Kind::Items),
        "BatchExecuteStatement" => Some(Kind::Statements),
        _ => None,
    }
}

/// Whether a part of it can be done.
pub(super) fn is_batch<B>(request: &Request<B>) -> bool {
    kind(request).is_some()
}

/// How many entries it has.
pub(super) fn entries(request: &Request<Bytes>) -> usize {
    let Some(kind) = kind(request) else { return 0 };
    let Ok(mut body) = serde_json::from_slice::<Value>(request.body()) else { return 0 };
    lists(kind, &mut body).iter().map(|(_, list)| list.len()).sum()
}

/// Every list of entries in a batch; DynamoDB has one for each table.
fn lists(kind: Kind, body: &mut Value) -> Vec<(String, &mut Vec<Value>)> {
    let name = match kind {
        Kind::Queue => "Entries",
        Kind::Statements => "Statements",
        Kind::Keys | Kind::Items => "RequestItems",
    };
    let Some(found) = body.get_mut(name) else { return Vec::new() };
    match (kind, found) {
        (Kind::Queue | Kind::Statements, Value::Array(list)) => vec![(String::new(), list)],
        (Kind::Items, Value::Object(tables)) => {
            tables.iter_mut().filter_map(|(t, list)| Some((t.clone(), list.as_array_mut()?))).collect()
        }
        (Kind::Keys, Value::Object(tables)) => tables
            .iter_mut()
            .filter_map(|(t, ask)| Some((t.clone(), ask.get_mut("Keys")?.as_array_mut()?)))
            .collect(),
        _ => Vec::new(),
    }
}

/// What was taken out of a request.
#[derive(Debug)]
pub(super) struct KeptOut {
    kind: Kind,
    /// Place in the whole batch, table if any, and the entry.
    entries: Vec<(usize, String, Value)>,
}

/// The request without the entries at these places. `None` when it is no batch, or nothing would be left of it.
pub(super) fn split(request: Request<Bytes>, places: &[usize]) -> Option<(Request<Bytes>, KeptOut)> {
    let kind = kind(&request)?;
    let (mut head, body) = request.into_parts();
    let mut body = serde_json::from_slice::<Value>(&body).ok()?;
    let (mut entries, mut place, mut left) = (Vec::new(), 0, 0);
    for (table, list) in lists(kind, &mut body) {
        let all = std::mem::take(list);
        for entry in all {
            if places.contains(&place) {
                entries.push((place, table.clone(), entry));
            } else {
                list.push(entry);
                left += 1;
            }
            place += 1;
        }
    }
    if matches!(kind, Kind::Keys | Kind::Items)
        && let Some(tables) = body["RequestItems"].as_object_mut()
    {
        tables.retain(|_, t| !t.get("Keys").unwrap_or(t).as_array().is_some_and(Vec::is_empty));
    }
    let body = Bytes::from(body.to_string());
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    (left > 0).then(|| (Request::from_parts(head, body), KeptOut { kind, entries }))
}

/// The answer with the entries that were kept out.
pub(super) fn report(answer: Response<Bytes>, out: &KeptOut) -> Response<Bytes> {
    let (mut head, bytes) = answer.into_parts();
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, bytes);
    };
    if head.status.is_success() {
        match out.kind {
            Kind::Queue => failed_entries(&mut body, out),
            Kind::Keys => unprocessed(&mut body, "UnprocessedKeys", out),
            Kind::Items => unprocessed(&mut body, "UnprocessedItems", out),
            Kind::Statements => failed_statements(&mut body, out),
        }
    }
    let bytes = Bytes::from(Value::Object(body).to_string());
    head.headers.insert(CONTENT_LENGTH, bytes.len().into());
    // It is the sum of what was answered before.
    head.headers.remove("x-amz-crc32");
    Response::from_parts(head, bytes)
}

fn failed_entries(body: &mut Map<String, Value>, out: &KeptOut) {
    let failed = body.entry("Failed").or_insert_with(|| json!([]));
    if let Some(failed) = failed.as_array_mut() {
        for (_, _, entry) in &out.entries {
            failed.push(json!({
                "Id": entry["Id"], "Code": "InternalError", "Message": "the test ordered it", "SenderFault": false,
            }));
        }
    }
}

fn unprocessed(body: &mut Map<String, Value>, name: &str, out: &KeptOut) {
    let left = body.entry(name).or_insert_with(|| json!({}));
    for (_, table, entry) in &out.entries {
        let list = match out.kind {
            Kind::Keys => &mut left[table.as_str()]["Keys"],
            _ => &mut left[table.as_str()],
        };
        match list {
            Value::Array(list) => list.push(entry.clone()),
            other => *other = json!([entry]),
        }
    }
}

fn failed_statements(body: &mut Map<String, Value>, out: &KeptOut) {
    if let Some(responses) = body.get_mut("Responses").and_then(Value::as_array_mut) {
        for (place, _, _) in &out.entries {
            let error = json!({"Error": {"Code": "ThrottlingError", "Message": "the test ordered it"}});
            responses.insert((*place).min(responses.len()), error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, body: &Value) -> Request<Bytes> {
        let request = Request::builder().header("x-amz-target", target);
        request.body(body.to_string().into()).expect("is a request")
    }

    fn whole(request: &Request<Bytes>) -> Value {
        serde_json::from_slice(request.body()).expect("is JSON")
    }

    fn answered(body: &Value, out: &KeptOut) -> Value {
        let answer = report(Response::new(body.to_string().into()), out);
        serde_json::from_slice(answer.body()).expect("is JSON")
    }

    #[test]
    fn entries_of_a_queue_are_failed_by_their_ids() {
        let body = json!({"QueueUrl": "q", "Entries": [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]});
        let (left, out) = split(request("AmazonSQS.SendMessageBatch", &body), &[0, 2]).expect("is a batch");
        assert_eq!(whole(&left), json!({"QueueUrl": "q", "Entries": [{"Id": "1"}]}));
        let answer = answered(&json!({"Successful": [{"Id": "1"}]}), &out);
        let ids: Vec<_> = answer["Failed"].as_array().expect("a list").iter().map(|f| &f["Id"]).collect();
        assert_eq!(ids, ["0", "2"]);
        assert!(split(request("AmazonSQS.SendMessageBatch", &body), &[0, 1, 2]).is_none(), "nothing is left");
        assert!(split(request("AmazonSQS.SendMessage", &body), &[0]).is_none(), "no batch");
    }

    #[test]
    fn keys_and_items_come_back_as_unprocessed() {
        let body =
            json!({"RequestItems": {"a": {"Keys": [1, 2], "ConsistentRead": true}, "b": {"Keys": [3]}}});
        let (left, out) =
            split(request("DynamoDB_20120810.BatchGetItem", &body), &[1, 2]).expect("is a batch");
        assert_eq!(whole(&left), json!({"RequestItems": {"a": {"Keys": [1], "ConsistentRead": true}}}));
        let unprocessed = &answered(&json!({"Responses": {}}), &out)["UnprocessedKeys"];
        assert_eq!(*unprocessed, json!({"a": {"Keys": [2]}, "b": {"Keys": [3]}}));
        let body = json!({"RequestItems": {"a": [1, 2, 3]}});
        let (_, out) =
            split(request("DynamoDB_20120810.BatchWriteItem", &body), &[0, 1]).expect("is a batch");
        assert_eq!(answered(&json!({}), &out)["UnprocessedItems"], json!({"a": [1, 2]}));
    }

    #[test]
    fn statements_are_failed_in_their_places() {
        let body = json!({"Statements": [0, 1, 2, 3]});
        let request = request("DynamoDB_20120810.BatchExecuteStatement", &body);
        let (left, out) = split(request, &[0, 2]).expect("is a batch");
        assert_eq!(whole(&left), json!({"Statements": [1, 3]}));
        let answer = answered(&json!({"Responses": [{"Item": 1}, {"Item": 3}]}), &out);
        let good: Vec<_> =
            answer["Responses"].as_array().expect("a list").iter().map(|r| &r["Item"]).collect();
        assert_eq!(good, [&Value::Null, &json!(1), &Value::Null, &json!(3)]);
    }
}
