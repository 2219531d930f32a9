//! Compiles an expression and evaluates it.

use std::fmt;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use cel::{Context, ExecutionError, Value};
use regex::RegexBuilder;

use super::budget::{self, WORK, Work, call};
use super::functions::{COMPARISONS, ENV, HAS, MATCHES, Pattern};
use super::names::{self, Known};
use super::times::now;
use super::values::Boxed;

/// The longest expression, in bytes.
const LONGEST: usize = 4096;
/// The memory that a compiled pattern may take, in bytes.
const PATTERN_SIZE: usize = 1 << 20;
/// The longest text that an expression returns, in characters; more is left out.
const LONGEST_TEXT: usize = 256;

/// A compiled expression.
pub(crate) struct Expression {
    tree: IdedExpr,
    /// Everything but `this` and `now`.
    context: Context<'static, 'static>,
}

/// What an expression can name besides `now`.
pub(crate) struct Scope {
    /// The type of `this`.
    pub(crate) this: Known,
    /// `this` for a message without fields. The expression is tried with it at start.
    pub(crate) sample: Boxed,
    /// The value of a predefined rule, and the rules that it belongs to.
    pub(crate) rule: Option<RuleValues>,
}

/// The variables of a predefined rule.
pub(crate) struct RuleValues {
    pub(crate) rule: Boxed,
    pub(crate) rules: Boxed,
}

/// What an expression says about a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It returned `false`, or a text that says what is wrong.
    Violated(Option<String>),
    /// The value is so large that the expression would take too long.
    TooMuchWork,
    /// It has no result for this value: an index out of range, a number out of range, values of the wrong types.
    Failed,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expression")
    }
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, with the column if that is known.
    pub(crate) fn compile(text: &str, scope: Scope) -> Result<Self, Vec<String>> {
        if text.len() > LONGEST {
            return Err(vec![format!("expected an expression of at most {LONGEST} bytes, got {}", text.len())]);
        }
        let program = ENV.compile(text).map_err(|errors| {
            let said = errors.errors.iter().map(|error| format!("column {}: {}", error.pos.1, error.msg.trim()));
            said.collect::<Vec<_>>()
        })?;
        let Scope { this, sample, rule } = scope;
        let mut variables = vec![("this", this), ("now", Known::Other)];
        if rule.is_some() {
            variables.extend([("rule", Known::Other), ("rules", Known::Other)]);
        }
        let source = program.source_info();
        let wrong = names::check(program.expression(), &variables);
        if !wrong.is_empty() {
            return Err(wrong.iter().map(|wrong| at(source, wrong.id, &wrong.message)).collect());
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        if let Some(RuleValues { rule, rules }) = rule {
            context.add_variable_as_val("rule", rule);
            context.add_variable_as_val("rules", rules);
        }
        let mut tree = program.expression().clone();
        let mut prepared = Preparing { source, patterns: Vec::new(), wrong: Vec::new() };
        prepared.prepare(&mut tree, &context);
        if !prepared.wrong.is_empty() {
            return Err(prepared.wrong);
        }
        for (name, pattern) in prepared.patterns {
            context.add_variable_as_val(name, Box::new(pattern));
        }
        budget::charge(&mut tree);
        let made = Self { tree, context };
        made.try_with(sample)?;
        Ok(made)
    }

    /// Tries the expression: one that mixes types must not wait for its first request.
    fn try_with(&self, sample: Boxed) -> Result<(), Vec<String>> {
        let context = self.context_with(sample, now(), &Work::new());
        match Value::resolve_val(&self.tree, &context) {
            Ok(value) if is_result(&value) => Ok(()),
            Ok(value) => {
                let kind = value.get_type().name().to_owned();
                Err(vec![format!("expected an expression that returns a bool or a string, not {kind}")])
            }
            // The only values in it are those of the expression itself.
            Err(error @ (ExecutionError::NoSuchOverload(_) | ExecutionError::UndeclaredReference(_))) => {
                Err(vec![error.to_string()])
            }
            Err(ExecutionError::UnsupportedBinaryOperator(operator, ..)) => {
                Err(vec![format!("the operands of `{operator}` have types that it cannot combine")])
            }
            Err(_) => Ok(()),
        }
    }

    fn context_with<'c>(&'c self, this: Boxed, now: Boxed, work: &Work) -> Context<'c, 'static> {
        let mut context = self.context.new_inner_scope();
        context.add_variable_as_val("this", this);
        context.add_variable_as_val("now", now);
        context.add_variable_as_val(WORK, Box::new(work.clone()));
        context
    }

    /// Evaluates the expression for a value.
    pub(crate) fn evaluate(&self, this: Boxed, now: Boxed, work: &Work) -> Outcome {
        let context = self.context_with(this, now, work);
        let result = Value::resolve_val(&self.tree, &context);
        // A loop that could not pay is an error, which `||` and `&&` may have passed over.
        if work.is_used_up() {
            return Outcome::TooMuchWork;
        }
        let Ok(value) = result else { return Outcome::Failed };
        if let Some(truth) = value.downcast_ref::<CelBool>() {
            return if *truth.inner() { Outcome::Passed } else { Outcome::Violated(None) };
        }
        match value.downcast_ref::<CelString>() {
            Some(text) if text.inner().is_empty() => Outcome::Passed,
            Some(text) => Outcome::Violated(Some(text.inner().chars().take(LONGEST_TEXT).collect())),
            None => Outcome::Failed,
        }
    }
}

fn is_result(value: &CowVal<'_, '_>) -> bool {
    value.downcast_ref::<CelBool>().is_some() || value.downcast_ref::<CelString>().is_some()
}

/// A problem with the column of a node.
fn at(source: &SourceInfo, id: u64, message: &str) -> String {
    match source.offset_for(id) {
        Some((start, _)) => format!("column {}: {message}", start + 1),
        None => message.to_owned(),
    }
}

/// Replaces what `cel` does not offer: `has` of messages with defaults, comparisons with NaN, and patterns that are
/// compiled once.
struct Preparing<'s> {
    source: &'s SourceInfo,
    patterns: Vec<(String, Pattern)>,
    wrong: Vec<String>,
}

impl Preparing<'_> {
    fn prepare(&mut self, tree: &mut IdedExpr, context: &Context<'static, 'static>) {
        match &mut tree.expr {
            Expr::Select(select) => {
                self.prepare(&mut select.operand, context);
                if select.test {
                    let operand = std::mem::take(&mut *select.operand);
                    let name = Expr::Literal(LiteralValue::String(std::mem::take(&mut select.field).into()));
                    *tree = call(HAS, vec![operand, IdedExpr { id: tree.id, expr: name }]);
                }
            }
            Expr::Call(called) => {
                called.target.iter_mut().for_each(|target| self.prepare(target, context));
                called.args.iter_mut().for_each(|arg| self.prepare(arg, context));
                if let Some(known) = COMPARISONS.iter().find(|known| known.operator == called.func_name) {
                    called.func_name = known.function.to_owned();
                }
                if called.func_name == "matches" {
                    let mut operands: Vec<IdedExpr> = called.target.take().map(|target| *target).into_iter().collect();
                    operands.append(&mut called.args);
                    if let [_, pattern] = &mut operands[..] {
                        *pattern = self.pattern(pattern, context);
                    }
                    *tree = IdedExpr { id: tree.id, ..call(MATCHES, operands) };
                }
            }
            Expr::Comprehension(loops) => {
                let loops = &mut **loops;
                for part in [
                    &mut loops.iter_range,
                    &mut loops.accu_init,
                    &mut loops.loop_cond,
                    &mut loops.loop_step,
                    &mut loops.result,
                ] {
                    self.prepare(part, context);
                }
            }
            Expr::List(list) => list.elements.iter_mut().for_each(|element| self.prepare(element, context)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.prepare(&mut entry.key, context);
                        self.prepare(&mut entry.value, context);
                    }
                }
            }
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
        }
    }

    /// A variable with the compiled pattern. What it is must be known at start: a literal, or what a rule contains.
    fn pattern(&mut self, tree: &IdedExpr, context: &Context<'static, 'static>) -> IdedExpr {
        let text = Value::resolve_val(tree, context).ok();
        let text =
            text.as_ref().and_then(|value| value.downcast_ref::<CelString>()).map(|text| text.inner().to_owned());
        let name = format!("@pattern{}", self.patterns.len());
        match text.map(|text| RegexBuilder::new(&text).size_limit(PATTERN_SIZE).build()) {
            Some(Ok(pattern)) => self.patterns.push((name.clone(), Pattern(pattern))),
            Some(Err(error)) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.wrong.push(at(self.source, tree.id, &format!("the pattern is not a regular expression: {last}")));
            }
            None => self.wrong.push(at(self.source, tree.id, "the pattern of `matches` must be a literal")),
        }
        IdedExpr { id: tree.id, expr: Expr::Ident(name) }
    }
}
