//! Raw tensors: little-endian elements in row-major order; texts carry their length as 32 bits before them.

use lemnis_model::Column;

use super::tensor::{Datatype, Elements};

/// Reads the elements of a raw tensor.
pub(super) fn decode(datatype: Datatype, bytes: &[u8]) -> Result<Elements, String> {
    Ok(match datatype {
        Datatype::Bool | Datatype::Uint8 => {
            Elements::Ints(bytes.iter().map(|byte| i64::from(*byte)).collect())
        }
        Datatype::Int8 => ints(bytes, |[a]: [u8; 1]| i64::from(i8::from_le_bytes([a])))?,
        Datatype::Uint16 => ints(bytes, |raw| i64::from(u16::from_le_bytes(raw)))?,
        Datatype::Int16 => ints(bytes, |raw| i64::from(i16::from_le_bytes(raw)))?,
        Datatype::Uint32 => ints(bytes, |raw| i64::from(u32::from_le_bytes(raw)))?,
        Datatype::Int32 => ints(bytes, |raw| i64::from(i32::from_le_bytes(raw)))?,
        Datatype::Int64 => ints(bytes, i64::from_le_bytes)?,
        Datatype::Uint64 => {
            let wide = elements(bytes, u64::from_le_bytes)?;
            let narrow = wide.into_iter().map(i64::try_from).collect::<Result<_, _>>();
            Elements::Ints(narrow.map_err(|_| "an element is larger than 2^63 - 1".to_owned())?)
        }
        Datatype::Fp16 => floats(bytes, |raw| half(u16::from_le_bytes(raw)))?,
        Datatype::Fp32 => floats(bytes, |raw| f64::from(f32::from_le_bytes(raw)))?,
        Datatype::Fp64 => floats(bytes, f64::from_le_bytes)?,
        Datatype::Bytes => Elements::Texts(texts(bytes)?),
    })
}

/// Writes the values of a column as `datatype`.
pub(super) fn encode(column: &Column, datatype: Datatype) -> Vec<u8> {
    match column {
        Column::Float(values) if datatype == Datatype::Fp32 => {
            values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect()
        }
        Column::Float(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Column::Int(values) if datatype == Datatype::Bool => {
            values.iter().map(|value| u8::from(*value != 0)).collect()
        }
        Column::Int(values) if datatype == Datatype::Int32 => {
            values.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect()
        }
        Column::Int(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Column::Text(values) => {
            let mut out = Vec::new();
            for text in values {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(text.as_bytes().get(..length as usize).unwrap_or_default());
            }
            out
        }
    }
}

fn ints<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Result<Elements, String> {
    elements(bytes, read).map(Elements::Ints)
}

fn floats<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Result<Elements, String> {
    elements(bytes, read).map(Elements::Floats)
}

fn elements<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (whole, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(format!("{} bytes are no whole number of elements of {N} bytes", bytes.len()));
    }
    Ok(whole.iter().map(|raw| read(*raw)).collect())
}

fn texts(mut bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let short = || format!("element {} is cut short", texts.len());
        let (length, after) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (text, after) = after.split_at_checked(length).ok_or_else(short)?;
        let text = std::str::from_utf8(text).map_err(|_| format!("element {} is not UTF-8", texts.len()))?;
        texts.push(text.to_owned());
        bytes = after;
    }
    Ok(texts)
}

/// An IEEE 754 half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1F);
    let fraction = f64::from(bits & 0x3FF);
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1.0 + fraction / 1_024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_widen_exactly() {
        let cases = [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x0001, 2f64.powi(-24)),
            (0x7BFF, 65_504.0),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value);
        }
        assert_eq!(half(0xFC00), f64::NEG_INFINITY);
        assert!(half(0x7E00).is_nan());
    }

    #[test]
    fn texts_carry_their_lengths() {
        let column = Column::Text(vec!["ä".to_owned(), String::new(), "xyz".to_owned()]);
        let bytes = encode(&column, Datatype::Bytes);
        assert_eq!(texts(&bytes).unwrap(), ["ä", "", "xyz"]);
        assert!(texts(&bytes[..bytes.len() - 1]).unwrap_err().contains("element 2 is cut short"));
        assert!(texts(&[1, 0, 0, 0, 0xFF]).unwrap_err().contains("UTF-8"));
        assert!(texts(&[255, 255, 255, 255, 1]).is_err());
    }

    #[test]
    fn a_broken_length_is_refused() {
        assert!(decode(Datatype::Fp64, &[0; 12]).is_err());
        assert_eq!(decode(Datatype::Fp32, &1.5f32.to_le_bytes()).unwrap().len(), 1);
        assert!(decode(Datatype::Uint64, &u64::MAX.to_le_bytes()).is_err());
    }
}
