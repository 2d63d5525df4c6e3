//! Bends a protobuf message as a tree, so that its lengths stay right and the damage is inside.

use lockstep_sim::rng::Rng;

/// Messages within messages that are looked into.
const MAX_DEPTH: usize = 6;

#[derive(Clone)]
enum Value {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

#[derive(Clone)]
struct Field {
    number: u64,
    value: Value,
}

/// A neighbour of a message; none if these bytes are no message.
pub fn bend(bytes: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    let mut fields = parse(bytes, 0).filter(|fields| !fields.is_empty())?;
    for _ in 0..=rng.below(3) {
        change(&mut fields, rng);
    }
    let mut bytes = vec![];
    write(&fields, &mut bytes);
    Some(bytes)
}

fn change(fields: &mut Vec<Field>, rng: &mut Rng) {
    let at = rng.index(fields.len());
    let Some(field) = fields.get_mut(at) else { return };
    if let Value::Message(inner) = &mut field.value
        && rng.below(5) > 0
    {
        return change(inner, rng);
    }
    match rng.below(12) {
        0 => drop(fields.remove(at)),
        1 => {
            let again = field.clone();
            fields.push(again);
        }
        2 => field.number = rng.below(24),
        3 => {
            let other = rng.index(fields.len());
            fields.swap(at, other);
        }
        _ => replace(&mut field.value, rng),
    }
}

fn replace(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::Varint(number) => {
            *number = match rng.below(6) {
                0 => 0,
                1 => u64::MAX,
                2 => 1 << rng.below(64),
                3 => number.wrapping_add(1),
                4 => number.wrapping_sub(1),
                _ => rng.draw() >> rng.below(64),
            }
        }
        Value::Fixed(bytes) | Value::Bytes(bytes) => crate::bend::edit(bytes, rng),
        Value::Message(fields) => fields.clear(),
    }
}

fn parse(mut bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = vec![];
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(take_varint(&mut bytes)?),
            1 => Value::Fixed(take(&mut bytes, 8)?),
            5 => Value::Fixed(take(&mut bytes, 4)?),
            2 => {
                let len = usize::try_from(take_varint(&mut bytes)?).ok()?;
                let inner = take(&mut bytes, len)?;
                let message = if depth < MAX_DEPTH { parse(&inner, depth + 1) } else { None };
                match message.filter(|fields| !fields.is_empty()) {
                    Some(fields) => Value::Message(fields),
                    None => Value::Bytes(inner),
                }
            }
            _ => return None,
        };
        fields.push(Field { number: key >> 3, value });
    }
    Some(fields)
}

fn take(bytes: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken.to_vec())
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * place).min(63);
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write(fields: &[Field], out: &mut Vec<u8>) {
    for field in fields {
        let kind = match &field.value {
            Value::Varint(_) => 0,
            Value::Fixed(bytes) => {
                if bytes.len() == 4 {
                    5
                } else {
                    1
                }
            }
            Value::Bytes(_) | Value::Message(_) => 2,
        };
        put_varint(field.number << 3 | kind, out);
        match &field.value {
            Value::Varint(number) => put_varint(*number, out),
            Value::Fixed(bytes) => out.extend(bytes),
            Value::Bytes(bytes) => {
                put_varint(bytes.len() as u64, out);
                out.extend(bytes);
            }
            Value::Message(fields) => {
                let mut inner = vec![];
                write(fields, &mut inner);
                put_varint(inner.len() as u64, out);
                out.extend(inner);
            }
        }
    }
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}
