//! Making and revoking tokens: written to the table under a condition, taken over here at once, and noted in the audit
//! trail.

use crate::App;
use crate::access::mint;
use crate::problem::{Code, Problem};
use common::access::{Role, Token, TokenId, TokenRecord};
use common::campaign::Stamp;
use common::ports::{PortError, Written};
use common::time::UnixMs;
use control::Who;

/// How often a write is tried against others.
const TRIES: usize = 5;

/// Makes a token. It is told once: nothing that is kept leads back to it.
pub(crate) async fn make(
    app: &App,
    who: &Who,
    name: &str,
    role: Role,
    expires_at: Option<UnixMs>,
) -> Result<(Token, TokenRecord), Problem> {
    for _ in 0..TRIES {
        let token = mint().map_err(Problem::internal)?;
        let stamp = Stamp::new(&who.name, app.control.clock().now());
        let record = TokenRecord::new(&token, name, role, stamp, expires_at);
        if app.access.keys.is_configured(token.id())
            || app.control.backend().tokens.put_new(&record).await? == Written::Conflict
        {
            continue;
        }
        app.access.keys.learn([record.clone()]);
        let until = expires_at.map_or_else(|| "never".to_owned(), UnixMs::rfc3339);
        let result = format!("none -> {role} `{name}` (token {}, ends {until})", token.id());
        app.control.audit(who, "token.create", None, result);
        return Ok((token, record));
    }
    Err(busy())
}

/// Takes a token back. Again, it answers the same.
pub(crate) async fn revoke(app: &App, who: &Who, id: TokenId) -> Result<TokenRecord, Problem> {
    if app.access.keys.is_configured(id) {
        let why = "this token stands in the configuration (access.admin_token): change it there, and restart";
        return Err(Problem::new(Code::Configured, why));
    }
    let tokens = &app.control.backend().tokens;
    for _ in 0..TRIES {
        let Some(old) = tokens.get(id).await? else {
            return Err(Problem::not_found("there is no token with this id; `owl token list` shows them"));
        };
        let Some(next) = old.revoke(Stamp::new(&who.name, app.control.clock().now())) else {
            app.access.keys.learn([old.clone()]);
            return Ok(old);
        };
        if tokens.update(&next).await? == Written::Yes {
            app.access.keys.learn([next.clone()]);
            let result = format!("{} `{}` (token {id}) -> revoked", next.role, next.name);
            app.control.audit(who, "token.revoke", None, result);
            return Ok(next);
        }
    }
    Err(busy())
}

fn busy() -> Problem {
    Problem::new(Code::Busy, "others are changing tokens at the same time; try again")
}

/// Whether nobody could administer this installation: no administrator's token is good, in the table or the configuration.
pub(crate) async fn nobody_administers(app: &App) -> Result<bool, PortError> {
    if app.access.keys.has_configured() {
        return Ok(false);
    }
    let (all, now) = (app.control.backend().tokens.list().await?, app.control.clock().now());
    Ok(!all.iter().any(|record| record.role == Role::Admin && record.good(now).is_ok()))
}
