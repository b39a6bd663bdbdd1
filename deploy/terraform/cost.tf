# What a month costs with both fleets at 0: an estimate, for decisions and for the tests (a new item that costs much at
# rest should be noticed). List prices of us-east-1 in dollars, as of 2025; other regions are up to a third dearer. What
# an event costs is `owl fleet plan`'s to say.

locals {
  hours = 730

  price = {
    fargate_cpu_hour    = 0.04048
    fargate_gib_hour    = 0.004445
    endpoint_zone_hour  = 0.01
    load_balancer_hour  = 0.0225
    nat_hour            = 0.045
    public_address_hour = 0.005
    key_month           = 1
    secret_month        = 0.4
    alarm_month         = 0.1 # each metric that an alarm looks at
    dashboard_month     = 3
  }

  at_rest_items = {
    api = var.api.tasks * local.hours * (
      var.api.cpu / 1024 * local.price.fargate_cpu_hour + var.api.memory_mib / 1024 * local.price.fargate_gib_hour
    )
    interface_endpoints = length(module.network.interface_services) * length(var.zones) * local.hours * local.price.endpoint_zone_hour
    load_balancer       = local.hours * local.price.load_balancer_hour
    nat                 = module.network.nat_gateways * local.hours * (local.price.nat_hour + var.nat_addresses * local.price.public_address_hour)
    public_addresses    = local.hours * local.price.public_address_hour * ((local.outside.api ? var.api.tasks : 0) + (var.internal ? 0 : length(var.zones)))
    key                 = local.price.key_month
    secrets             = 3 * local.price.secret_month
    alarms              = module.alarms.metrics_watched * local.price.alarm_month
    dashboard           = local.price.dashboard_month
  }

  at_rest = merge(
    { for item, dollars in local.at_rest_items : item => ceil(dollars) if dollars > 0 },
    { total = ceil(sum(values(local.at_rest_items))) },
  )
}
