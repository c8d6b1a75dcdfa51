//! Names in an expression that nothing will ever have: it would fail on every event, or never be true.

use cel::{
    Env, IdedExpr,
    common::ast::{ComprehensionExpr, Expr},
};

use super::budget::children_mut;

/// What is wrong with the names in an expression over `variable`, which has these fields. Metering put calls into it, but
/// no names.
pub(super) fn unknown(expression: &mut IdedExpr, env: &Env, variable: &str, fields: &[&str]) -> Option<String> {
    Names { env, variable, fields, bound: Vec::new() }.unknown(expression)
}

struct Names<'a> {
    env: &'a Env,
    variable: &'a str,
    fields: &'a [&'a str],
    /// What the loops around bind.
    bound: Vec<String>,
}

impl Names<'_> {
    fn unknown(&mut self, expression: &mut IdedExpr) -> Option<String> {
        match &mut expression.expr {
            Expr::Ident(name) if !self.knows(name) => {
                let (name, variable) = (name.as_str(), self.variable);
                let meant =
                    if self.fields.contains(&name) { format!(": write {variable}.{name}") } else { String::new() };
                Some(format!("reads {name:?}, but there is only {variable:?}{meant}"))
            }
            Expr::Select(select) if self.lacks(&select.operand.expr, &select.field) => {
                let (field, variable) = (&select.field, self.variable);
                Some(format!("reads {variable}.{field}; {variable} has {}", self.fields.join(", ")))
            }
            Expr::Comprehension(turns) => self.unknown_in_loop(turns),
            other => children_mut(other).into_iter().find_map(|child| self.unknown(child)),
        }
    }

    fn unknown_in_loop(&mut self, turns: &mut ComprehensionExpr) -> Option<String> {
        let outside = self.unknown(&mut turns.iter_range).or_else(|| self.unknown(&mut turns.accu_init));
        if outside.is_some() {
            return outside;
        }
        let around = self.bound.len();
        self.bound.extend([turns.iter_var.clone(), turns.accu_var.clone()]);
        self.bound.extend(turns.iter_var2.clone());
        let inside = [&mut turns.loop_cond, &mut turns.loop_step, &mut turns.result];
        let found = inside.into_iter().find_map(|child| self.unknown(child));
        self.bound.truncate(around);
        found
    }

    /// Whether a name stands for something: the variable, a loop's own, or a type.
    fn knows(&self, name: &str) -> bool {
        name == self.variable
            || name.starts_with('@')
            || self.bound.iter().any(|bound| bound == name)
            || self.env.types().find_type(name).is_some()
    }

    /// Whether this is a field that the variable doesn't have.
    fn lacks(&self, operand: &Expr, field: &str) -> bool {
        let is_variable = matches!(operand, Expr::Ident(name) if name == self.variable);
        is_variable && !self.bound.iter().any(|bound| bound == self.variable) && !self.fields.contains(&field)
    }
}
