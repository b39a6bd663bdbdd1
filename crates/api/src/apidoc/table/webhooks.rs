//! Webhooks and their log.

use crate::apidoc::operation::{Operation, on};
use crate::problem::Code;
use crate::routes::Limit;
use crate::views::{DeliveryList, NewWebhook, Nothing, WebhookList, WebhookMade, WebhookTested, WebhookView};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        on("list_webhooks", "GET", "/v1/webhooks", "Who is told what").ok::<WebhookList>("Newest first, without secrets."),
        on("make_webhook", "POST", "/v1/webhooks", "Has somebody told what happens to campaigns")
            .about("Messages are signed as Standard Webhooks are; the secret is told this once. See `docs/webhooks.md`.")
            .body::<NewWebhook>()
            .created::<WebhookMade>("The webhook, with its secret.")
            .fails(&[Code::TooManyWebhooks, Code::Busy]),
        on("remove_webhook", "DELETE", "/v1/webhooks/{id}", "Tells them nothing more").ok::<WebhookView>("What was removed."),
        on("list_deliveries", "GET", "/v1/webhooks/{id}/deliveries", "What they were told, and what came of it")
            .query::<Limit>()
            .ok::<DeliveryList>("Newest first.")
            .fails(&[Code::BadField]),
        on("test_webhook", "POST", "/v1/webhooks/{id}/test", "Sends a message now, and tells what came")
            .body::<Nothing>()
            .ok::<WebhookTested>("What came.")
            .fails(&[Code::TooManyTests, Code::Busy]),
    ]
}
