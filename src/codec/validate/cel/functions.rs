//! The functions that protovalidate adds to CEL, and `matches`.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::ast::operators;
use cel::common::types::{
    BOOL_TYPE, BYTES_TYPE, CelBool, CelBytes, CelDouble, CelInt, CelString, CelUInt, DOUBLE_TYPE, DYN_TYPE, INT_TYPE,
    LIST_TYPE, STRING_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, extensions};
use regex::Regex;

use super::values::MessageValue;
use super::{budget, times};
use crate::codec::validate::formats::{self, Version};

/// Tests a text by a compiled pattern.
pub(super) const MATCHES: &str = "@matches";
/// Whether a field is set.
pub(super) const HAS: &str = "@has";

/// The most items that `unique` compares one by one, because they are neither texts nor numbers.
const MOST_COMPARED: usize = 300;

/// The comparisons, with the functions that stand for them.
pub(super) const COMPARISONS: [Comparison; 4] = [
    Comparison { operator: operators::LESS, function: "@less", holds: Ordering::is_lt },
    Comparison { operator: operators::LESS_EQUALS, function: "@less_equals", holds: Ordering::is_le },
    Comparison { operator: operators::GREATER, function: "@greater", holds: Ordering::is_gt },
    Comparison { operator: operators::GREATER_EQUALS, function: "@greater_equals", holds: Ordering::is_ge },
];

/// A comparison.
pub(super) struct Comparison {
    pub(super) operator: &'static str,
    pub(super) function: &'static str,
    holds: fn(Ordering) -> bool,
}

/// Compares two values. Unlike the operators of `cel`, NaN is no error: it is not above, below or equal to anything.
fn compare<'b, 'v>(args: Vec<CowVal<'b, 'v>>, which: usize) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let is_nan =
        |value: &CowVal<'_, '_>| value.downcast_ref::<CelDouble>().is_some_and(|number| number.inner().is_nan());
    let is_number = |value: &CowVal<'_, '_>| {
        value.downcast_ref::<CelDouble>().is_some()
            || value.downcast_ref::<CelInt>().is_some()
            || value.downcast_ref::<CelUInt>().is_some()
    };
    if args.iter().any(is_nan) && args.iter().all(is_number) {
        return Ok(truth(false));
    }
    let Comparison { operator, holds, .. } = COMPARISONS[which];
    let types = || args.iter().map(|value| value.get_type().name().to_owned()).collect();
    let no_overload = || ExecutionError::no_such_overload(operator, types());
    let comparer = args[0].as_comparer().ok_or_else(no_overload)?;
    comparer.compare(&*args[1]).map(|order| truth(holds(order))).map_err(|_| no_overload())
}

/// Everything that expressions can call.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    declare(&mut env).expect("each function is declared once");
    Arc::new(env)
});

/// A compiled pattern.
#[derive(Clone)]
pub(super) struct Pattern(pub(super) Regex);

fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    budget::declare(env)?;
    times::declare(env)?;
    extensions::strings(env)?;
    declare_formats(env)?;
    declare_bytes(env)?;
    env.add_overload(MATCHES, MATCHES, vec![STRING_TYPE, DYN_TYPE], |args| {
        let pattern = args[1].downcast_ref::<Pattern>().ok_or_else(|| wrong("matches"))?;
        Ok(truth(pattern.0.is_match(text(&args[0])?)))
    })?;
    macro_rules! comparison {
        ($($which:literal)*) => {
            $({
                let name = COMPARISONS[$which].function;
                env.add_overload(name, name, vec![DYN_TYPE, DYN_TYPE], |args| compare(args, $which))?;
            })*
        };
    }
    comparison! { 0 1 2 3 }
    env.add_overload(HAS, HAS, vec![DYN_TYPE, STRING_TYPE], |args| {
        let name = text(&args[1])?;
        if let Some(message) = args[0].downcast_ref::<MessageValue>() {
            return message.has(name).map(truth).ok_or_else(|| ExecutionError::no_such_key("field"));
        }
        let indexer = args[0].as_indexer().ok_or_else(|| wrong("has"))?;
        Ok(truth(indexer.get(&*args[1]).is_ok()))
    })?;
    env.add_overload("getField", "get_field", vec![DYN_TYPE, STRING_TYPE], |args| {
        let indexer = args[0].as_indexer().ok_or_else(|| wrong("getField"))?;
        indexer.get(&*args[1]).map(|value| CowVal::Owned(value.into_owned()))
    })?;
    env.add_member_overload("isNan", "double_is_nan", DOUBLE_TYPE, vec![], |args| {
        Ok(truth(double(&args[0])?.is_nan()))
    })?;
    env.add_member_overload("isInf", "double_is_inf", DOUBLE_TYPE, vec![], |args| {
        Ok(truth(double(&args[0])?.is_infinite()))
    })?;
    env.add_member_overload("isInf", "double_is_inf_of_sign", DOUBLE_TYPE, vec![INT_TYPE], |args| {
        let (value, sign) = (double(&args[0])?, int(&args[1])?);
        Ok(truth(value.is_infinite() && (sign == 0 || (sign > 0) == (value > 0.0))))
    })?;
    env.add_member_overload("unique", "list_unique", LIST_TYPE, vec![], |args| is_unique(&*args[0]).map(truth))
}

fn declare_formats(env: &mut Env) -> Result<(), DeclarationError> {
    macro_rules! format {
        ($($name:literal: $is:expr;)*) => {
            $(env.add_member_overload($name, concat!("string_", $name), STRING_TYPE, vec![], |args| {
                let is: fn(&str) -> bool = $is;
                Ok(truth(is(text(&args[0])?)))
            })?;)*
        };
    }
    format! {
        "isEmail": formats::is_email;
        "isHostname": formats::is_hostname;
        "isUri": formats::is_uri;
        "isUriRef": formats::is_uri_ref;
        "isIp": formats::is_ip;
        "isIpPrefix": |text| formats::is_ip_prefix(text, Version::Any, false);
    }
    env.add_member_overload("isIp", "string_is_ip_version", STRING_TYPE, vec![INT_TYPE], |args| {
        Ok(truth(version(&args[1])?.is_some_and(|version| formats::is_ip_of(text_of(&args[0]), version))))
    })?;
    env.add_member_overload("isIpPrefix", "string_is_prefix_version", STRING_TYPE, vec![INT_TYPE], |args| {
        let version = version(&args[1])?;
        Ok(truth(version.is_some_and(|version| formats::is_ip_prefix(text_of(&args[0]), version, false))))
    })?;
    env.add_member_overload("isIpPrefix", "string_is_prefix_strict", STRING_TYPE, vec![BOOL_TYPE], |args| {
        Ok(truth(formats::is_ip_prefix(text(&args[0])?, Version::Any, bool(&args[1])?)))
    })?;
    env.add_member_overload("isIpPrefix", "string_is_prefix", STRING_TYPE, vec![INT_TYPE, BOOL_TYPE], |args| {
        let (version, strict) = (version(&args[1])?, bool(&args[2])?);
        Ok(truth(version.is_some_and(|version| formats::is_ip_prefix(text_of(&args[0]), version, strict))))
    })?;
    env.add_member_overload("isHostAndPort", "string_is_host_and_port", STRING_TYPE, vec![BOOL_TYPE], |args| {
        Ok(truth(formats::is_host_with_port(text(&args[0])?, bool(&args[1])?)))
    })
}

fn declare_bytes(env: &mut Env) -> Result<(), DeclarationError> {
    macro_rules! part {
        ($($name:literal: $is:expr;)*) => {
            $(env.add_member_overload($name, concat!("bytes_", $name), BYTES_TYPE, vec![BYTES_TYPE], |args| {
                let is: fn(&[u8], &[u8]) -> bool = $is;
                Ok(truth(is(bytes(&args[0])?, bytes(&args[1])?)))
            })?;)*
        };
    }
    part! {
        "startsWith": |all, part| all.starts_with(part);
        "endsWith": |all, part| all.ends_with(part);
        "contains": |all, part| memchr::memmem::find(all, part).is_some();
    }
    Ok(())
}

/// Whether all items of a list differ.
fn is_unique(list: &dyn Val) -> Result<bool, ExecutionError> {
    #[derive(PartialEq, Eq, Hash)]
    enum Item<'i> {
        Text(&'i str),
        Bytes(&'i [u8]),
        Number(i128),
        Double(u64),
        Truth(bool),
    }
    let mut items = list.as_iterable().ok_or_else(|| wrong("unique"))?.iter();
    let (mut seen, mut others): (HashSet<Item<'_>>, Vec<&dyn Val>) = (HashSet::new(), Vec::new());
    while let Some(item) = items.next() {
        let simple = if let Some(text) = item.downcast_ref::<CelString>() {
            Item::Text(text.inner())
        } else if let Some(bytes) = item.downcast_ref::<CelBytes>() {
            Item::Bytes(bytes.inner())
        } else if let Some(number) = item.downcast_ref::<CelInt>() {
            Item::Number((*number.inner()).into())
        } else if let Some(number) = item.downcast_ref::<CelUInt>() {
            Item::Number((*number.inner()).into())
        } else if let Some(truth) = item.downcast_ref::<CelBool>() {
            Item::Truth(*truth.inner())
        } else if let Some(number) = item.downcast_ref::<CelDouble>() {
            if number.inner().is_nan() {
                continue;
            }
            // Both zeros are equal.
            Item::Double((number.inner() + 0.0).to_bits())
        } else {
            if others.iter().any(|other| other.equals(item)) {
                return Ok(false);
            }
            if others.len() == MOST_COMPARED {
                return Err(ExecutionError::function_error("unique", "too many items"));
            }
            others.push(item);
            continue;
        };
        if !seen.insert(simple) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn truth<'b, 'v>(truth: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(truth))
}

fn wrong(function: &str) -> ExecutionError {
    ExecutionError::no_such_overload(function, Vec::new())
}

fn text<'b>(value: &'b CowVal<'_, '_>) -> Result<&'b str, ExecutionError> {
    value.downcast_ref::<CelString>().map(CelString::inner).ok_or_else(|| wrong("string"))
}

/// A text; overloads have made sure that it is one.
fn text_of<'b>(value: &'b CowVal<'_, '_>) -> &'b str {
    text(value).unwrap_or_default()
}

fn bytes<'b>(value: &'b CowVal<'_, '_>) -> Result<&'b [u8], ExecutionError> {
    value.downcast_ref::<CelBytes>().map(CelBytes::inner).ok_or_else(|| wrong("bytes"))
}

fn bool(value: &CowVal<'_, '_>) -> Result<bool, ExecutionError> {
    value.downcast_ref::<CelBool>().map(|truth| *truth.inner()).ok_or_else(|| wrong("bool"))
}

fn int(value: &CowVal<'_, '_>) -> Result<i64, ExecutionError> {
    value.downcast_ref::<CelInt>().map(|number| *number.inner()).ok_or_else(|| wrong("int"))
}

fn double(value: &CowVal<'_, '_>) -> Result<f64, ExecutionError> {
    value.downcast_ref::<CelDouble>().map(|number| *number.inner()).ok_or_else(|| wrong("double"))
}

/// A version of IP; `None` if there is no such version.
fn version(value: &CowVal<'_, '_>) -> Result<Option<Version>, ExecutionError> {
    Ok(match int(value)? {
        0 => Some(Version::Any),
        4 => Some(Version::Four),
        6 => Some(Version::Six),
        _ => None,
    })
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = Type::new_unspecified_type("pattern");
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}
