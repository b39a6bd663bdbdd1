//! Sessions and tokens.

use crate::apidoc::operation::{Operation, on};
use crate::problem::Code;
use crate::views::{FirstCode, FirstSession, NewToken, SessionView, SignIn, TokenList, TokenMade, TokenView};
use common::campaign::RefusalCode;

const COOKIE: &[(&str, &str)] = &[("Set-Cookie", "The session.")];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        on("read_session", "GET", "/v1/session", "Who this is, and what they may do")
            .free()
            .ok::<SessionView>("The token's name, role and actions."),
        on("sign_in", "POST", "/v1/session", "Signs a browser in with a token")
            .body::<SignIn>()
            .ok::<SessionView>("Signed in.")
            .with(COOKIE)
            .fails(&[Code::BadToken, Code::TooManyAttempts])
            .refuses(&[RefusalCode::TokenExpired, RefusalCode::TokenRevoked]),
        on("sign_out", "DELETE", "/v1/session", "The browser forgets the token; it stays good")
            .free()
            .bare(204, "Forgotten.")
            .with(COOKIE),
        on(
            "first_session",
            "POST",
            "/v1/session/first",
            "Makes the first administrator, with the one-time code",
        )
        .body::<FirstCode>()
        .ok::<FirstSession>("Signed in; the token is told this once.")
        .with(COOKIE)
        .fails(&[Code::BadCode, Code::TooManyAttempts, Code::Busy]),
        on("list_tokens", "GET", "/v1/tokens", "All tokens without their secrets, newest first")
            .ok::<TokenList>("The tokens, revoked ones included."),
        on("make_token", "POST", "/v1/tokens", "Makes a token")
            .body::<NewToken>()
            .created::<TokenMade>("The token, told this once.")
            .fails(&[Code::Busy]),
        on("revoke_token", "DELETE", "/v1/tokens/{id}", "Takes a token back")
            .ok::<TokenView>("The token, revoked; again, the same.")
            .fails(&[Code::Configured, Code::Busy]),
    ]
}
