// The words of the page, in one place: states, checks, outcomes, actions.

export const STATES = {
  draft: ['none', 'draft', 'It has no audience yet.'],
  building: ['wait', 'building', 'Its snapshot is being built.'],
  failed: ['bad', 'failed', 'Its build did not work.'],
  ready: ['none', 'ready', 'It can be armed.'],
  armed: ['good', 'armed', 'The button works.'],
  sending: ['wait', 'sending', 'It was pressed.'],
  stopping: ['wait', 'stopping', 'Nothing new is begun.'],
  stopped: ['warn', 'stopped', 'Nothing more leaves.'],
  done: ['good', 'done', 'Every device has its outcome.'],
};

export const LIGHTS = { green: ['good', 'good'], amber: ['warn', 'look at it'], red: ['bad', 'not good'] };

const CHECKS = {
  fleet_free: 'Fleet', snapshot: 'Audience', interim_workers: 'Interim workers', push_workers: 'Push workers',
  snapshot_hash: 'Same snapshot everywhere', payload_size: 'Size of the notification', gateways: 'Connections to Apple and Google',
  credentials: 'Credentials', gateway_quota: 'Quota', queues_empty: 'Queues', silent_size: 'Kind of notification',
  disk: 'Disk', clock_skew: 'Clocks',
};
export const checkName = (name) => CHECKS[name] ?? name;

export const GATEWAYS = { apns: 'Apple', fcm: 'Google' };
export const gateway = (name) => GATEWAYS[name] ?? name;

export const DROPPED = {
  bad_line: 'the line is no user id', duplicate: 'stood there twice', unknown: 'nobody with this id has a device',
  opted_out: 'wants no notifications', no_device: 'has no device left',
};

export const OUTCOMES = {
  accepted: 'accepted', unsent: 'not sent', pending: 'no outcome yet', aborted: 'not sent, because of the stop',
  ambiguous: 'sent, and never answered', expired: 'not sent before the deadline',
  unregistered: 'dead token: the app was removed', bad_device_token: 'token of another environment',
  device_token_not_for_topic: 'token of another app', sender_id_mismatch: 'token of another project',
  payload_too_large: 'notification too large', bad_request: 'the request was refused',
  too_many_requests: 'too many to this device', gateway_unavailable: 'the gateway was not available',
  quota_exceeded: 'beyond the quota', misconfigured: 'our credentials were refused', unknown_answer: 'an answer nobody documents',
  unsendable: 'no gateway for it',
};
export const outcome = (name) => OUTCOMES[name] ?? name;

const ACTIONS = {
  create: 'created it', clone: 'made it from a copy', edit: 'edited it', upload: 'uploaded an audience', build: 'ended the build', arm_first: 'wants it armed: one more must arm it', arm: 'armed it',
  disarm: 'disarmed it', press: 'pressed', canary: 'sent a canary', abort: 'asked to stop', resume: 'resumed',
  override: 'overrode a check', settle: 'counted it', write_back: 'tidied up', test: 'tested it',
  'fleet.scale': 'scaled the fleet', 'queues.redrive': 'put dead letters back', 'devices.import': 'imported devices',
  'testers.put': 'wrote a list of testers', 'testers.remove': 'removed a list of testers',
  'token.create': 'made a token', 'token.revoke': 'revoked a token', 'session.refused': 'was refused',
  'webhook.create': 'made a webhook', 'webhook.remove': 'removed a webhook', 'webhook.test': 'tested a webhook',
  'webhook.disable': 'switched a webhook off',
};
/** `campaign.press` in words. */
export const did = (name) => ACTIONS[name.replace('campaign.', '')] ?? name;

export const RUNS = { canary: 'canary', press: 'press', resume: 'resume' };
export const plural = (n, one, many) => (n === 1 ? one : many);
