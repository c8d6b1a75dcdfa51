//! Filters of routes, CEL expressions over the event; and bodies for sync engines, over the run.
//!
//! An expression is compiled once, when the configuration is read, on a thread with a big stack, because the parser
//! recurses. Evaluation is bounded: every loop asks a budget of turns and time before each turn.

mod budget;
mod names;
mod variables;

use std::{sync::Arc, time::Instant};

use cel::{Context, Env, IdedExpr, Value};
use gatepost_event::Event;

/// Most characters of an expression.
const CHARS_MAX: usize = 4 * 1024;

/// Deepest nesting of a compiled expression; also bounds the stack that evaluating it takes.
const DEPTH_MAX: usize = 250;

/// Stack of the threads that compile and evaluate. Only what is used of it costs memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Largest body that a filter may look into; read as values it takes many times that memory.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest body that a sync engine is sent.
const SENT_BYTES_MAX: usize = 1024 * 1024;

/// Most characters of an error kept for people.
const DETAIL_CHARS_MAX: usize = 500;

/// A compiled expression.
struct Expression {
    expression: IdedExpr,
    env: Arc<Env>,
}

/// A compiled filter.
#[derive(Debug)]
pub(crate) struct Filter {
    expression: Expression,
    reads_body: bool,
}

/// A compiled body: what a sync engine is sent for a run.
#[derive(Debug)]
pub(crate) struct Body(Expression);

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expression").finish_non_exhaustive()
    }
}

/// Whether `source` is an expression over this variable (`event` or `run`) that a file may have: it parses, is neither
/// too long nor too deeply nested, and reads nothing that is never there.
///
/// # Errors
/// What is wrong with it, in words for the operator.
pub fn check(source: &str, variable: &str) -> Result<(), String> {
    let Expression { mut expression, env } = Expression::compile(source)?;
    match names::unknown(&mut expression, &env, variable, variables::fields(variable)) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

impl Expression {
    /// Compiles on a thread of its own.
    fn compile(source: &str) -> Result<Self, String> {
        if source.len() > CHARS_MAX {
            return Err(format!("has {} characters; at most {CHARS_MAX} are allowed", source.len()));
        }
        let owned = source.to_owned();
        let thread = std::thread::Builder::new().name("filter-compile".to_owned()).stack_size(STACK_BYTES);
        let compiled = thread
            .spawn(move || compile_here(&owned))
            .map_err(|error| format!("could not be compiled: no thread to do it on: {error}"))?;
        compiled.join().unwrap_or_else(|_| Err("could not be compiled: the CEL compiler failed on it".to_owned()))
    }

    /// Its value, within the bounds.
    fn value(&self, now: Instant, bind: impl FnOnce(&mut Context<'_, '_>)) -> Result<Value, String> {
        let mut context = Context::with_env(self.env.clone());
        let fuel = budget::Budget::from(now);
        fuel.install(&mut context)?;
        bind(&mut context);
        let value = Value::resolve(&self.expression, &context);
        match fuel.spent() {
            Some(reason) => Err(reason.to_owned()),
            None => value.map_err(|error| short(&error.to_string())),
        }
    }
}

impl Filter {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, in words for the operator.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        let expression = Expression::compile(source)?;
        Ok(Self { expression, reads_body: source.contains("data") })
    }

    /// Whether the event passes. Call it where [`on_big_stack`] runs.
    ///
    /// # Errors
    /// Why the expression has no boolean value for this event, in words for the operator.
    pub(crate) fn passes(&self, event: &Event, now: Instant) -> Result<bool, String> {
        if self.reads_body && event.body.len() > BODY_BYTES_MAX {
            let bytes = event.body.len();
            return Err(format!(
                "the filter reads event.data and the body has {bytes} bytes; filters read at most {BODY_BYTES_MAX}"
            ));
        }
        match self.expression.value(now, |context| variables::bind(context, event, self.reads_body))? {
            Value::Bool(passes) => Ok(passes),
            other => Err(format!("the filter's value is of type {}; it must be true or false", other.type_of())),
        }
    }
}

impl Body {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, in words for the operator.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        Expression::compile(source).map(Self)
    }

    /// The JSON that is sent for a run. Call it where [`on_big_stack`] runs.
    ///
    /// # Errors
    /// Why the expression has no such value for this run, in words for the operator.
    pub(crate) fn of(&self, run: serde_json::Value, now: Instant) -> Result<Vec<u8>, String> {
        let value = self.0.value(now, |context| variables::bind_run(context, run))?;
        let json = value.json().map_err(|error| short(&error.to_string()))?.to_string();
        match json.len() {
            bytes if bytes > SENT_BYTES_MAX => Err(format!("it has {bytes} bytes; at most {SENT_BYTES_MAX} are sent")),
            _ => Ok(json.into_bytes()),
        }
    }
}

/// Runs `work`, which evaluates filters, on a thread with a big stack, off the runtime's threads.
///
/// # Errors
/// When no thread can be started, or `work` panicked.
pub(crate) async fn on_big_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("filter".to_owned()).stack_size(STACK_BYTES);
    thread
        .spawn(move || drop(send.send(work())))
        .map_err(|error| format!("no thread to evaluate filters on: {error}"))?;
    receive.await.map_err(|_| "evaluating the filters failed".to_owned())
}

fn compile_here(source: &str) -> Result<Expression, String> {
    let env = Arc::new(Env::stdlib());
    let program =
        env.compile(source).map_err(|errors| format!("is not a CEL expression: {}", short(&errors.to_string())))?;
    let mut expression = program.expression().clone();
    if budget::depth(&mut expression) > DEPTH_MAX {
        return Err(format!("is nested more than {DEPTH_MAX} levels deep; write it with fewer operators"));
    }
    budget::meter(&mut expression);
    Ok(Expression { expression, env })
}

fn short(text: &str) -> String {
    text.chars().take(DETAIL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
