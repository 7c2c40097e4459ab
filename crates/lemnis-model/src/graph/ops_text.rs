//! Operators that look categories up: label encoding and one-hot encoding.
//!
//! Tables are built at load: text by hashing, numbers by bits, so that a look-up neither allocates nor scans.

use std::collections::HashMap;

use super::attributes::Attributes;
use super::tensor::{Data, Element, Shape, Tensor, wrong};
use crate::error::{Error, Result};

/// A look-up table from categories to positions.
#[derive(Debug)]
enum Keys {
    Text(HashMap<String, u32>),
    Int(HashMap<i64, u32>),
    /// By bits of the value; every NaN is one key, and so are both zeros.
    Float(HashMap<u64, u32>),
}

impl Keys {
    fn find(&self, data: &Data, index: usize) -> Option<u32> {
        match (self, data) {
            (Keys::Text(keys), Data::Str(values)) => keys.get(values.get(index)?).copied(),
            (Keys::Int(keys), Data::I64(values)) => keys.get(values.get(index)?).copied(),
            (Keys::Int(keys), Data::F32(values)) => {
                keys.get(&whole(f64::from(*values.get(index)?))?).copied()
            }
            (Keys::Int(keys), Data::F64(values)) => keys.get(&whole(*values.get(index)?)?).copied(),
            (Keys::Float(keys), Data::F32(values)) => {
                keys.get(&bits(f64::from(*values.get(index)?))).copied()
            }
            (Keys::Float(keys), Data::F64(values)) => keys.get(&bits(*values.get(index)?)).copied(),
            (Keys::Float(keys), Data::I64(values)) => keys.get(&bits(*values.get(index)? as f64)).copied(),
            _ => None,
        }
    }

    fn takes(&self, data: &Data) -> bool {
        match self {
            Keys::Text(_) => matches!(data, Data::Str(_)),
            Keys::Int(_) | Keys::Float(_) => matches!(data, Data::I64(_) | Data::F32(_) | Data::F64(_)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Keys::Text(_) => "text",
            _ => "numbers",
        }
    }

    fn of(data: &Data) -> Result<Self> {
        // the first of equal keys counts
        fn table<K: std::hash::Hash + Eq>(
            keys: impl DoubleEndedIterator<Item = K> + ExactSizeIterator,
        ) -> HashMap<K, u32> {
            keys.enumerate().rev().map(|(position, key)| (key, position as u32)).collect()
        }
        Ok(match data {
            Data::Str(keys) => Keys::Text(table(keys.iter().cloned())),
            Data::I64(keys) => Keys::Int(table(keys.iter().copied())),
            Data::F32(keys) => Keys::Float(table(keys.iter().map(|key| bits(f64::from(*key))))),
            Data::F64(keys) => Keys::Float(table(keys.iter().map(|key| bits(*key)))),
            Data::Bool(_) => {
                return Err(Error::Unsupported("operator LabelEncoder with boolean keys".to_owned()));
            }
        })
    }
}

fn whole(value: f64) -> Option<i64> {
    (value == value.trunc() && value.abs() < 9.0e18).then_some(value as i64)
}

fn bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

/// `LabelEncoder` (version 2 and later, and the text/position pairs of version 1).
#[derive(Debug)]
pub(crate) struct LabelEncoder {
    keys: Keys,
    values: Data,
    /// One value: what unknown keys become.
    default: Data,
}

impl LabelEncoder {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Result<Self> {
        let classes = attributes.strings("classes_strings");
        if !classes.is_empty() {
            let values = Data::I64((0..classes.len() as i64).collect());
            let default = Data::I64(vec![attributes.int("default_int64", -1)]);
            return Ok(Self { keys: Keys::of(&Data::Str(classes))?, values, default });
        }
        let side = |prefix: &str| -> Result<Data> {
            if let Some(tensor) = attributes.tensor(&format!("{prefix}_tensor"))? {
                return Ok(tensor.data);
            }
            let (texts, ints, floats) =
                (format!("{prefix}_strings"), format!("{prefix}_int64s"), format!("{prefix}_floats"));
            if attributes.has(&texts) {
                Ok(Data::Str(attributes.strings(&texts)))
            } else if attributes.has(&ints) {
                Ok(Data::I64(attributes.ints(&ints).to_vec()))
            } else if attributes.has(&floats) {
                Ok(Data::F32(attributes.floats(&floats).to_vec()))
            } else {
                Err(attributes.broken("it has no keys or no values"))
            }
        };
        let (keys, values) = (side("keys")?, side("values")?);
        if keys.len() != values.len() {
            return Err(attributes.broken("it has another number of keys than of values"));
        }
        let given = attributes.tensor("default_tensor")?.map(|tensor| tensor.data);
        let default = match (given, &values) {
            (Some(default), values) if default.element() == values.element() && default.len() == 1 => default,
            (Some(_), _) => return Err(attributes.broken("its default is not one value of its values' type")),
            (None, Data::Str(_)) => Data::Str(vec![attributes.string("default_string", "_Unused")]),
            (None, Data::I64(_)) => Data::I64(vec![attributes.int("default_int64", -1)]),
            (None, Data::F64(_)) => Data::F64(vec![-0.0]),
            (None, _) => Data::F32(vec![attributes.float("default_float", -0.0)]),
        };
        Ok(Self { keys: Keys::of(&keys)?, values, default })
    }

    pub(crate) fn output(&self) -> Element {
        self.values.element()
    }

    pub(crate) fn run(&self, tensor: &Tensor) -> Result<Tensor> {
        if !self.keys.takes(&tensor.data) {
            return Err(wrong(self.keys.name(), tensor));
        }
        let count = tensor.data.len();
        let found = |index: usize| self.keys.find(&tensor.data, index).map(|position| position as usize);
        macro_rules! look_up {
            ($values:expr, $default:expr, $variant:path) => {{
                let default = $default.first().cloned().unwrap_or_default();
                let one = |index| found(index).and_then(|at| $values.get(at).cloned());
                $variant((0..count).map(|index| one(index).unwrap_or_else(|| default.clone())).collect())
            }};
        }
        let data = match (&self.values, &self.default) {
            (Data::F32(values), Data::F32(default)) => look_up!(values, default, Data::F32),
            (Data::F64(values), Data::F64(default)) => look_up!(values, default, Data::F64),
            (Data::I64(values), Data::I64(default)) => look_up!(values, default, Data::I64),
            (Data::Str(values), Data::Str(default)) => look_up!(values, default, Data::Str),
            _ => return Err(Error::graph("its values and its default are of different types")),
        };
        Ok(Tensor { shape: tensor.shape, data })
    }
}

/// `OneHotEncoder`: a last axis with one column per category.
#[derive(Debug)]
pub(crate) struct OneHot {
    keys: Keys,
    width: usize,
    zeros: bool,
}

impl OneHot {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Result<Self> {
        let texts = attributes.strings("cats_strings");
        let data = if texts.is_empty() {
            Data::I64(attributes.ints("cats_int64s").to_vec())
        } else {
            Data::Str(texts)
        };
        if data.len() == 0 {
            return Err(attributes.broken("it has no categories"));
        }
        Ok(Self { width: data.len(), keys: Keys::of(&data)?, zeros: attributes.int("zeros", 1) != 0 })
    }

    pub(crate) fn run(&self, tensor: &Tensor) -> Result<Tensor> {
        if !self.keys.takes(&tensor.data) {
            return Err(wrong(self.keys.name(), tensor));
        }
        let mut dims = tensor.shape.dims().to_vec();
        dims.push(self.width);
        let mut values = vec![0.0; tensor.data.len() * self.width];
        for index in 0..tensor.data.len() {
            match self.keys.find(&tensor.data, index) {
                Some(position) => values[index * self.width + position as usize] = 1.0,
                None if self.zeros => {}
                None => return Err(Error::graph("a value is none of its categories")),
            }
        }
        Ok(Tensor::f32(Shape::new(&dims)?, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nan_and_both_zeros_are_one_key() {
        let keys = Keys::of(&Data::F32(vec![f32::NAN, 0.0])).unwrap();
        assert_eq!(keys.find(&Data::F32(vec![-f32::NAN]), 0), Some(0));
        assert_eq!(keys.find(&Data::F32(vec![-0.0]), 0), Some(1));
    }

    #[test]
    fn an_unknown_category_becomes_the_default() {
        let encoder = LabelEncoder {
            keys: Keys::of(&Data::Str(vec!["a".to_owned()])).unwrap(),
            values: Data::F32(vec![3.0]),
            default: Data::F32(vec![f32::NAN]),
        };
        let tensor =
            Tensor { shape: Shape::vector(2), data: Data::Str(vec!["a".to_owned(), "b".to_owned()]) };
        let Data::F32(values) = encoder.run(&tensor).unwrap().data else { panic!("floats expected") };
        assert_eq!(values[0], 3.0);
        assert!(values[1].is_nan());
    }
}
