//! Checks the names in an expression: variables, functions, and fields of messages where the type is known.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::values::kinds;
use crate::format::suggestion::{nearest, or_meant};
use crate::schema::{FieldTable, Message, Shape, WellKnown};

/// What is known of the type of a value.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    Message(Message),
    List(Box<Self>),
    Map,
    /// Anything else.
    Other,
}

impl Known {
    /// The type of a field.
    pub(crate) fn of_field(owner: &Message, field: &FieldTable) -> Self {
        match field.shape {
            Shape::Map => Self::Map,
            Shape::Repeated | Shape::Packed => Self::List(Box::new(Self::of_value(owner, field))),
            Shape::Implicit | Shape::Explicit | Shape::Required => Self::of_value(owner, field),
        }
    }

    /// The type of one value of a field.
    pub(crate) fn of_value(owner: &Message, field: &FieldTable) -> Self {
        let message = field.kind.message().map(|id| owner.sibling(id));
        let is_plain =
            |message: &Message| matches!(message.table().known, WellKnown::No | WellKnown::Any | WellKnown::FieldMask);
        message.filter(is_plain).map_or(Self::Other, Self::Message)
    }

    /// The type of the values of a map.
    pub(crate) fn of_map_value(owner: &Message, field: &FieldTable) -> Self {
        let Some(entry) = field.kind.message().map(|id| owner.sibling(id)) else { return Self::Other };
        let [_, value] = kinds(entry.table());
        let fields = &entry.table().fields;
        fields
            .iter()
            .find(|field| field.number == 2 && field.kind == value)
            .map_or(Self::Other, |field| Self::of_value(&entry, field))
    }
}

/// The types that expressions can name.
const TYPES: [&str; 11] =
    ["bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The functions that expressions can call.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getField",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "indexOf",
    "int",
    "isEmail",
    "isHostAndPort",
    "isHostname",
    "isInf",
    "isIp",
    "isIpPrefix",
    "isNan",
    "isUri",
    "isUriRef",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "quote",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "strings.quote",
    "substring",
    "timestamp",
    "trim",
    "type",
    "uint",
    "unique",
    "upperAscii",
];

/// A name that an expression must not contain.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The node with the name.
    pub(super) id: u64,
    pub(super) message: String,
}

/// Every name that is wrong. `variables` are those that are known outside of the expression.
pub(super) fn check(tree: &IdedExpr, variables: &[(&str, Known)]) -> Vec<Wrong> {
    let scope = variables.iter().map(|(name, known)| ((*name).to_owned(), known.clone())).collect();
    let mut checking = Checking { scope, wrong: Vec::new() };
    checking.known(tree);
    checking.wrong
}

struct Checking {
    /// The innermost variables are last.
    scope: Vec<(String, Known)>,
    wrong: Vec<Wrong>,
}

impl Checking {
    fn add(&mut self, tree: &IdedExpr, message: String) {
        self.wrong.push(Wrong { id: tree.id, message });
    }

    /// Checks the names in a part of the expression, and returns what is known of its type.
    fn known(&mut self, tree: &IdedExpr) -> Known {
        match &tree.expr {
            Expr::Ident(name) => self.variable(tree, name),
            Expr::Select(select) => {
                let operand = self.known(&select.operand);
                self.field(tree, &operand, &select.field)
            }
            Expr::Call(call) => {
                let operator = call.func_name.starts_with(|c: char| !c.is_ascii_alphabetic());
                if !operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    let near = nearest(&call.func_name, FUNCTIONS.iter().copied());
                    self.add(tree, format!("unknown function `{}`{}", call.func_name, or_meant(near)));
                }
                let target = call.target.as_ref().map(|target| self.known(target));
                let mut args: Vec<Known> = call.args.iter().map(|arg| self.known(arg)).collect();
                match (call.func_name.as_str(), target) {
                    ("_[_]", _) if !args.is_empty() => match args.swap_remove(0) {
                        Known::List(item) => *item,
                        _ => Known::Other,
                    },
                    ("_?_:_", _) if args.len() == 3 => args.swap_remove(1),
                    _ => Known::Other,
                }
            }
            Expr::Comprehension(loops) => {
                let item = match self.known(&loops.iter_range) {
                    Known::List(item) => *item,
                    _ => Known::Other,
                };
                let depth = self.scope.len();
                self.known(&loops.accu_init);
                self.scope.push((loops.iter_var.clone(), item));
                self.scope.extend(loops.iter_var2.iter().map(|name| (name.clone(), Known::Other)));
                self.scope.push((loops.accu_var.clone(), Known::Other));
                for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                    self.known(part);
                }
                self.scope.truncate(depth);
                Known::Other
            }
            Expr::List(list) => {
                list.elements.iter().for_each(|element| {
                    self.known(element);
                });
                Known::Other
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.known(&entry.key);
                        self.known(&entry.value);
                    }
                }
                Known::Map
            }
            Expr::Struct(_) => {
                self.add(tree, "expressions cannot make messages".to_owned());
                Known::Other
            }
            Expr::Literal(_) | Expr::Unspecified => Known::Other,
        }
    }

    fn variable(&mut self, tree: &IdedExpr, name: &str) -> Known {
        if let Some((_, known)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return known.clone();
        }
        if !TYPES.contains(&name) {
            let near = nearest(name, self.scope.iter().map(|(name, _)| name.as_str()));
            let message = format!("unknown variable `{name}`{}", or_meant(near));
            self.add(tree, message);
        }
        Known::Other
    }

    fn field(&mut self, tree: &IdedExpr, operand: &Known, name: &str) -> Known {
        let Known::Message(message) = operand else { return Known::Other };
        let table = message.table();
        match table.fields.iter().find(|field| *field.name == *name) {
            Some(field) => Known::of_field(message, field),
            None => {
                let near = nearest(name, table.fields.iter().map(|field| &*field.name));
                self.add(tree, format!("message {} has no field `{name}`{}", table.name, or_meant(near)));
                Known::Other
            }
        }
    }
}
