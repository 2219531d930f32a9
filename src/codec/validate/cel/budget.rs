//! Limits the work of an evaluation.
//!
//! The crate `cel` has no limit. So each loop of an expression is changed to pay for all its steps before the first one,
//! and inside loops each operation pays for the texts and lists that it reads.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBytes, CelInt, CelString, DYN_TYPE, INT_TYPE, Kind, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::values::MessageValue;

/// The name of the variable that counts the work. Expressions cannot contain it.
pub(super) const WORK: &str = "@work";
/// Pays for the steps of a loop, and returns the list or map that it runs over.
const LOOP: &str = "@loop";
/// Pays for a value that is read inside a loop, and returns it.
const READ: &str = "@read";

/// The work that all expressions may do for one message: nodes of expressions that are evaluated in loops.
const MOST_WORK: i64 = 100_000;
/// How many bytes are read for one unit of work.
const BYTES: usize = 64;

/// What is left of the work for one message.
#[derive(Clone)]
pub(crate) struct Work(Arc<AtomicI64>);

impl Work {
    /// All of it.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(MOST_WORK)))
    }

    /// Whether there was not enough.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) < 0
    }

    /// Takes so much, and says whether there was enough.
    pub(crate) fn can_pay(&self, work: i64) -> bool {
        self.pay(work).is_ok()
    }

    /// Takes so much.
    pub(super) fn pay(&self, work: i64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed);
        let left = if left < 0 { left } else { left.saturating_sub(work) };
        self.0.store(left, Ordering::Relaxed);
        if left < 0 { Err(ExecutionError::function_error(WORK, "used up")) } else { Ok(()) }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

impl Val for Work {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = Type::new_unspecified_type(WORK);
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Work {}

/// Declares the functions that pay.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(LOOP, LOOP, vec![DYN_TYPE, DYN_TYPE, INT_TYPE], |args| {
        let each = args[2].downcast_ref::<CelInt>().map_or(1, |each| *each.inner());
        let mut total: i64 = 0;
        // `cel` copies each item before the step that sees it.
        let mut items = args[0].as_iterable().map(|iterable| iterable.iter());
        while let Some(item) = items.as_mut().and_then(|items| items.next()) {
            total = total.saturating_add(each).saturating_add(size(item));
            if total > MOST_WORK {
                break;
            }
        }
        drop(items);
        work(&args[1])?.pay(total)?;
        first(args)
    })?;
    env.add_overload(READ, READ, vec![DYN_TYPE, DYN_TYPE], |args| {
        work(&args[1])?.pay(size(&*args[0]))?;
        first(args)
    })
}

fn work<'b>(value: &'b CowVal<'_, '_>) -> Result<&'b Work, ExecutionError> {
    value.downcast_ref::<Work>().ok_or_else(|| ExecutionError::function_error(WORK, "missing"))
}

fn first<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter().next().ok_or(ExecutionError::MissingArgumentOrTarget)
}

/// The work of reading or copying a value once.
fn size(value: &dyn Val) -> i64 {
    let mut total = 0;
    add_size(value, &mut total);
    total
}

/// Adds the work of a value and of all that it contains, until it is more than anything may cost.
fn add_size(value: &dyn Val, total: &mut i64) {
    let bytes = if let Some(text) = value.downcast_ref::<CelString>() {
        text.inner().len()
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        bytes.inner().len()
    } else if let Some(message) = value.downcast_ref::<MessageValue>() {
        message.encoded_size()
    } else {
        let mut items = value.as_iterable().map(|iterable| iterable.iter());
        while let Some(item) = items.as_mut().and_then(|items| items.next()) {
            *total += 1;
            let inner = value.as_indexer().filter(|_| value.get_type().kind() == Kind::Map);
            match inner.and_then(|map| map.get(item).ok()) {
                Some(value) => add_size(&*value, total),
                None => add_size(item, total),
            }
            if *total > MOST_WORK {
                return;
            }
        }
        return;
    };
    *total += (bytes / BYTES) as i64;
}

/// Changes an expression so that it pays for its work.
pub(super) fn charge(tree: &mut IdedExpr) {
    charged(tree, false);
}

fn charged(tree: &mut IdedExpr, in_loop: bool) {
    match &mut tree.expr {
        Expr::Comprehension(comprehension) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } = &mut **comprehension;
            let each = nodes(loop_cond) + nodes(loop_step);
            charged(iter_range, in_loop);
            for part in [accu_init, loop_cond, loop_step, result] {
                charged(part, true);
            }
            let range = std::mem::take(iter_range);
            *iter_range = call(LOOP, vec![range, work_variable(), literal(each)]);
        }
        Expr::Call(called) => {
            let CallExpr { func_name, target, args } = called;
            target.iter_mut().for_each(|target| charged(target, in_loop));
            args.iter_mut().for_each(|arg| charged(arg, in_loop));
            // What a macro collects must keep its shape: `cel` appends to it in place.
            let collects =
                args.first().is_some_and(|arg| matches!(&arg.expr, Expr::Ident(name) if name.starts_with('@')));
            if in_loop && !collects && reads(func_name) {
                target.iter_mut().map(|target| &mut **target).chain(args).for_each(read);
            }
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                charged(element, in_loop);
                // A list copies its elements.
                if in_loop {
                    read(element);
                }
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    charged(&mut entry.key, in_loop);
                    charged(&mut entry.value, in_loop);
                    if in_loop {
                        read(&mut entry.value);
                    }
                }
            }
        }
        Expr::Select(select) => charged(&mut select.operand, in_loop),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// Lets a value pay before it is used.
fn read(operand: &mut IdedExpr) {
    if !matches!(operand.expr, Expr::Literal(_) | Expr::List(_)) {
        let inner = std::mem::take(operand);
        *operand = call(READ, vec![inner, work_variable()]);
    }
}

/// Whether an operation may read the whole of its operands.
fn reads(function: &str) -> bool {
    const FIXED: [&str; 12] = [
        operators::CONDITIONAL,
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::LOGICAL_NOT,
        operators::NOT_STRICTLY_FALSE,
        operators::INDEX,
        operators::SUBSTRACT,
        operators::MULTIPLY,
        operators::DIVIDE,
        operators::MODULO,
        operators::NEGATE,
        LOOP,
    ];
    !FIXED.contains(&function)
}

/// How many nodes are evaluated in one step of a loop. Those of loops inside are paid for again for each of their steps.
fn nodes(tree: &IdedExpr) -> i64 {
    1 + match &tree.expr {
        Expr::Comprehension(comprehension) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } = &**comprehension;
            [iter_range, accu_init, loop_cond, loop_step, result].into_iter().map(nodes).sum()
        }
        Expr::Call(called) => {
            let target = called.target.as_ref().map_or(0, |target| nodes(target));
            target + called.args.iter().map(nodes).sum::<i64>()
        }
        Expr::List(list) => list.elements.iter().map(nodes).sum(),
        Expr::Map(map) => map
            .entries
            .iter()
            .map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => nodes(&entry.key) + nodes(&entry.value),
                EntryExpr::StructField(field) => nodes(&field.value),
            })
            .sum(),
        Expr::Select(select) => nodes(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => 0,
    }
}

fn work_variable() -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Ident(WORK.to_owned()) }
}

fn literal(number: i64) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(CelInt::from(number))) }
}

/// A call of a function that has no target.
pub(super) fn call(function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }) }
}
