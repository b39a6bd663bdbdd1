# Empty containers. The values are put by hand, so that they are in no state file, no plan and no CI log:
#
#   aws secretsmanager put-secret-value --secret-id owl/apns-key --secret-string file://AuthKey_ABC1234567.p8
#   aws secretsmanager put-secret-value --secret-id owl/fcm-service-account --secret-string file://service-account.json
#   printf 'owl_%s_%s' "$(openssl rand -hex 4)" "$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n')" > admin-token
#   aws secretsmanager put-secret-value --secret-id owl/admin-token --secret-string file://admin-token
#
# A task does not start while its secret has no value (ECS: ResourceInitializationError). Running tasks keep the
# value they started with: after a change, start new tasks.

locals {
  secrets = {
    apns_key            = { name = "apns-key", what = "text of the APNs .p8 key" }
    fcm_service_account = { name = "fcm-service-account", what = "JSON of the FCM service account" }
    admin_token         = { name = "admin-token", what = "the first administrator's token" }
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.secrets

  name                    = "${var.name}/${each.value.name}"
  description             = "Superb Owl: ${each.value.what}; put by hand"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 14
}
