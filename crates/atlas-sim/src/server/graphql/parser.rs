//! A GraphQL document as a tree: as much of the language as clients of RunPod write.

use serde_json::{Map, Number, Value};

use super::lexer::{Token, tokens};

/// What a whole document asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    pub(super) is_mutation: bool,
    pub(super) fields: Vec<Field>,
}

/// One field that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// Under which name it is answered.
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
    /// What of it is asked for; empty for a plain value.
    pub(super) fields: Vec<Field>,
}

impl Field {
    /// Its argument `input`.
    pub(super) fn input(&self) -> &Value {
        self.arguments.get("input").unwrap_or(&Value::Null)
    }

    /// Whether this field of it is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

/// Reads the first operation of a document.
pub(super) fn parse(document: &str, variables: &Map<String, Value>) -> Result<Operation, String> {
    let tokens = tokens(document)?;
    let mut parser = Parser { tokens: &tokens, at: 0, variables };
    let is_mutation = match parser.peek() {
        Some(Token::Name(word)) if word == "query" => false,
        Some(Token::Name(word)) if word == "mutation" => true,
        Some(Token::Sign('{')) => return Ok(Operation { is_mutation: false, fields: parser.selection()? }),
        _ => return Err(parser.unexpected()),
    };
    parser.at += 1;
    if let Some(Token::Name(_)) = parser.peek() {
        parser.at += 1;
    }
    // What variables are declared as does not matter: their values are in hand.
    if parser.takes('(') {
        let mut depth = 1;
        while depth > 0 {
            match parser.next().ok_or("Syntax Error: Expected \")\", found <EOF>.")? {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth -= 1,
                _ => {}
            }
        }
    }
    Ok(Operation { is_mutation, fields: parser.selection()? })
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    variables: &'a Map<String, Value>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: char) -> bool {
        let is_there = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("{} Expected \"{sign}\".", self.unexpected())) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> String {
        match self.peek() {
            None => "Syntax Error: Unexpected <EOF>.".to_owned(),
            Some(Token::Sign(sign)) => format!("Syntax Error: Unexpected \"{sign}\"."),
            Some(Token::Spread) => "Syntax Error: Fragments are not supported.".to_owned(),
            Some(Token::Name(name)) => format!("Syntax Error: Unexpected Name \"{name}\"."),
            Some(Token::Number(number)) => format!("Syntax Error: Unexpected Int \"{number}\"."),
            Some(Token::Text(_)) => "Syntax Error: Unexpected String.".to_owned(),
        }
    }

    fn selection(&mut self) -> Result<Vec<Field>, String> {
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.takes('}') {
            fields.push(self.field()?);
        }
        Ok(fields)
    }

    fn field(&mut self) -> Result<Field, String> {
        let first = self.name()?;
        let (alias, name) = if self.takes(':') { (first, self.name()?) } else { (first.clone(), first) };
        let mut arguments = Map::new();
        if self.takes('(') {
            while !self.takes(')') {
                let argument = self.name()?;
                self.expect(':')?;
                arguments.insert(argument, self.value()?);
            }
        }
        let fields = if self.peek() == Some(&Token::Sign('{')) { self.selection()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, fields })
    }

    fn value(&mut self) -> Result<Value, String> {
        let wrong = self.unexpected();
        match self.next() {
            Some(Token::Text(text)) => Ok(Value::String(text)),
            Some(Token::Number(number)) => number.parse::<Number>().map(Value::Number).map_err(|_| wrong),
            Some(Token::Name(word)) => Ok(match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                // A word of an enumeration.
                _ => Value::String(word),
            }),
            Some(Token::Sign('$')) => {
                let name = self.name()?;
                Ok(self.variables.get(&name).cloned().unwrap_or(Value::Null))
            }
            Some(Token::Sign('[')) => {
                let mut items = Vec::new();
                while !self.takes(']') {
                    items.push(self.value()?);
                }
                Ok(Value::Array(items))
            }
            Some(Token::Sign('{')) => {
                let mut entries = Map::new();
                while !self.takes('}') {
                    let name = self.name()?;
                    self.expect(':')?;
                    entries.insert(name, self.value()?);
                }
                Ok(Value::Object(entries))
            }
            _ => Err(wrong),
        }
    }
}
