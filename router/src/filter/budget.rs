//! Bounds on evaluating an expression: every loop in it asks for leave before each turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cel::{
    Context, ExecutionError, IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators},
};

/// Longest time that one evaluation may take.
const TIME_MAX: Duration = Duration::from_secs(1);

/// Most turns of loops in one evaluation.
const TURNS_MAX: u64 = 1_000_000;

/// The function that grants a turn. `@` can't stand in a name that an operator writes.
const LEAVE: &str = "@turn";

const WITHIN: u8 = 0;
const OUT_OF_TIME: u8 = 1;
const OUT_OF_TURNS: u8 = 2;

/// What one evaluation may still use.
#[derive(Clone)]
pub(super) struct Budget {
    until: Instant,
    left: Arc<AtomicU64>,
    state: Arc<AtomicU8>,
}

impl Budget {
    /// A full budget that starts at `now`.
    pub(super) fn from(now: Instant) -> Self {
        Self { until: now + TIME_MAX, left: Arc::new(AtomicU64::new(TURNS_MAX)), state: Arc::default() }
    }

    /// Makes a context's loops ask this budget.
    pub(super) fn install(&self, context: &mut Context<'_, '_>) -> Result<(), String> {
        let budget = self.clone();
        let leave = move || match budget.take() {
            true => Ok(true),
            false => Err(ExecutionError::function_error(LEAVE, "the budget is spent")),
        };
        context.add_function(LEAVE, leave).map_err(|error| error.to_string())
    }

    /// Why the evaluation was cut short, when it was.
    pub(super) fn spent(&self) -> Option<&'static str> {
        match self.state.load(Ordering::Relaxed) {
            OUT_OF_TIME => Some("it took more than a second"),
            OUT_OF_TURNS => Some("its loops took more than 1000000 turns"),
            _ => None,
        }
    }

    fn take(&self) -> bool {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let state = match left {
            Err(_) => OUT_OF_TURNS,
            Ok(_) if Instant::now() > self.until => OUT_OF_TIME,
            Ok(_) => WITHIN,
        };
        if state != WITHIN {
            self.state.store(state, Ordering::Relaxed);
        }
        state == WITHIN
    }
}

/// Puts the question before every turn of every loop.
pub(super) fn meter(expression: &mut IdedExpr) {
    if let Expr::Comprehension(comprehension) = &mut expression.expr {
        meter_loop(comprehension);
    }
    for child in children_mut(&mut expression.expr) {
        meter(child);
    }
}

/// How deep an expression is nested.
pub(super) fn depth(expression: &mut IdedExpr) -> usize {
    1 + children_mut(&mut expression.expr).into_iter().map(depth).max().unwrap_or(0)
}

/// `map` and `filter` keep the shape that the interpreter recognises (a constant condition, and a step that appends,
/// perhaps under a guard), or each turn would copy the list made so far.
fn meter_loop(comprehension: &mut ComprehensionExpr) {
    if !matches!(comprehension.loop_cond.expr, Expr::Literal(_)) {
        let condition = std::mem::take(&mut comprehension.loop_cond);
        comprehension.loop_cond = when(leave(), condition, literal(false));
        return;
    }
    match &mut comprehension.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL && call.target.is_none() => {
            if let Some(guard) = call.args.first_mut() {
                let condition = std::mem::take(guard);
                *guard = when(leave(), condition, literal(false));
            }
        }
        _ => {
            let step = std::mem::take(&mut comprehension.loop_step);
            let same = ident(&comprehension.accu_var);
            comprehension.loop_step = when(leave(), step, same);
        }
    }
}

/// What an expression is made of.
pub(super) fn children_mut(expression: &mut Expr) -> Vec<&mut IdedExpr> {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::Comprehension(c) => {
            vec![&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
        }
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Select(select) => vec![&mut *select.operand],
        Expr::Map(map) => map.entries.iter_mut().flat_map(|entry| entry_children(&mut entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter_mut().flat_map(|entry| entry_children(&mut entry.expr)).collect(),
    }
}

fn entry_children(entry: &mut EntryExpr) -> Vec<&mut IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&mut field.value],
        EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
    }
}

fn when(condition: IdedExpr, then: IdedExpr, otherwise: IdedExpr) -> IdedExpr {
    call(operators::CONDITIONAL, vec![condition, then, otherwise])
}

fn leave() -> IdedExpr {
    call(LEAVE, Vec::new())
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    node(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn literal(value: bool) -> IdedExpr {
    node(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn ident(name: &str) -> IdedExpr {
    node(Expr::Ident(name.to_owned()))
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}
