//! Values as the configuration file and the environment spell them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A duration, as `90s`, `30m`, `12h`, `14d`.
pub fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map_err(|error| de::Error::custom(format!("{error} (write durations as 90s, 30m, 12h, 14d)")))
}

/// The same for a key that can be left out.
pub fn optional_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

/// A list, or from the environment one text with commas.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        List(Vec<String>),
    }
    let texts = match Either::deserialize(from)? {
        Either::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Either::List(list) => list,
    };
    // An empty variable must not take a demand away that the file makes.
    if texts.iter().any(String::is_empty) {
        return Err(de::Error::custom("a list has no empty entry; an empty list is written [] in the file"));
    }
    let parse = |text: String| T::deserialize(de::value::StringDeserializer::<de::value::Error>::new(text));
    texts.into_iter().map(parse).collect::<Result<_, _>>().map_err(de::Error::custom)
}

/// The same for a key that can be left out.
pub fn optional_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    list(from).map(Some)
}
