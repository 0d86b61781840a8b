use spark_connect_proto::data_type::{Float, Kind};
use spark_connect_proto::expression::literal::{Array, LiteralType};
use spark_connect_proto::expression::{ExprType, Literal};
use spark_connect_proto::relation::RelType;
use spark_connect_proto::{DataType, Expression, Plan, Relation, plan};

use crate::sql::{Sql, SqlValue};

/// Makes the protocol's plan of a statement and its values.
pub(super) fn plan_of(sql: &Sql) -> Plan {
    let statement = spark_connect_proto::Sql {
        query: sql.text().into(),
        named_arguments: (0..).map(Sql::parameter).zip(sql.values().iter().map(argument)).collect(),
        ..Default::default()
    };
    let relation = Relation { rel_type: Some(RelType::Sql(statement)), ..Default::default() };
    Plan { op_type: Some(plan::OpType::Root(relation)) }
}

fn argument(value: &SqlValue) -> Expression {
    let literal = match value {
        SqlValue::Text(text) => LiteralType::String(text.clone()),
        SqlValue::Int(number) => LiteralType::Long(*number),
        SqlValue::Float(number) => LiteralType::Double(*number),
        SqlValue::Bool(value) => LiteralType::Boolean(*value),
        SqlValue::Date(days) => LiteralType::Date(*days),
        SqlValue::Vector(numbers) => LiteralType::Array(vector(numbers)),
    };
    Expression { expr_type: Some(ExprType::Literal(of(literal))), ..Default::default() }
}

fn vector(numbers: &[f32]) -> Array {
    #[expect(deprecated, reason = "engines before Spark 4.1 know the type of the elements from it alone")]
    Array {
        element_type: Some(DataType { kind: Some(Kind::Float(Float::default())) }),
        elements: numbers.iter().map(|&number| of(LiteralType::Float(number))).collect(),
    }
}

fn of(literal: LiteralType) -> Literal {
    Literal { literal_type: Some(literal), ..Default::default() }
}
