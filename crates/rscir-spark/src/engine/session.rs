use std::fmt;
use std::io::Cursor;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use spark_connect_core::{ChannelBuilder, RetryPolicy, SparkConnectClient, SparkError, SparkErrorKind};
use spark_connect_proto::execute_plan_response::ResponseType;
use spark_connect_proto::{
    AnalyzePlanRequest, DataType, ExecutePlanRequest, UserContext, analyze_plan_request,
    analyze_plan_response,
};

use super::plan::plan_of;
use super::reach::Address;
use crate::sql::Sql;
use crate::{Error, Result};

/// How many times a job is begun that fails for another reason than what it asks for: a worker that is lost, or a stream that an
/// engine could not add. It only reads, so that doing it again does no harm.
const ATTEMPTS: u32 = 3;

/// How long to wait before a job is begun again: about what an engine takes to start another worker.
const PAUSE: Duration = Duration::from_secs(1);

/// A session with an engine.
#[derive(Clone)]
pub(super) struct Session {
    client: Arc<SparkConnectClient>,
    address: Address,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session at an address such as `sc://host:port`.
    pub(super) fn open(address: &str) -> Result<Self> {
        let channel = ChannelBuilder::parse(address).map_err(|error| Error::Unreachable {
            // What follows a semicolon may be a token.
            address: address.split(';').next().unwrap_or_default().into(),
            reason: words(&error),
        })?;
        let address = Address::from(&channel);
        // TLS has a greeting of its own.
        if !channel.use_ssl() {
            address.greet()?;
        }
        let mut client = address
            .run(async move { SparkConnectClient::connect(&channel).await })?
            .map_err(|error| address.unreachable(words(&error)))?;
        // The client's own policy is fifteen more attempts with up to 64 s between them.
        client.set_retry_policy(RetryPolicy::no_retries());
        Ok(Self { client: Arc::new(client), address })
    }

    /// Runs a statement and collects its rows.
    pub(super) fn rows(&self, table: &str, sql: &Sql) -> Result<Vec<RecordBatch>> {
        let request = ExecutePlanRequest {
            session_id: self.client.session_id().into(),
            user_context: Some(self.user()),
            plan: Some(plan_of(sql)),
            ..Default::default()
        };
        let messages = self.retried(table, |client| {
            let request = request.clone();
            async move {
                let mut messages = Vec::new();
                let mut stream = client.execute_plan(request).await?;
                while let Some(response) = stream.message().await.map_err(SparkError::from_grpc_status)? {
                    if let Some(ResponseType::ArrowBatch(batch)) = response.response_type {
                        messages.push(batch);
                    }
                }
                Ok(messages)
            }
        })?;
        let odd = |what: String| Error::Answer { table: table.into(), what };
        let mut batches = Vec::new();
        for message in messages.iter().filter(|message| !message.data.is_empty()) {
            let reader = StreamReader::try_new(Cursor::new(&message.data), None);
            let read = reader.and_then(|reader| reader.collect::<Result<Vec<_>, _>>());
            let read = read.map_err(|error| odd(format!("rows that cannot be read ({error})")))?;
            let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
            if i64::try_from(rows) != Ok(message.row_count) {
                return Err(odd(format!("{rows} rows in place of {}", message.row_count)));
            }
            batches.extend(read);
        }
        Ok(batches)
    }

    /// Asks for the columns that a statement gives.
    pub(super) fn schema(&self, table: &str, sql: &Sql) -> Result<DataType> {
        let schema = analyze_plan_request::Schema { plan: Some(plan_of(sql)) };
        let request = AnalyzePlanRequest {
            session_id: self.client.session_id().into(),
            user_context: Some(self.user()),
            analyze: Some(analyze_plan_request::Analyze::Schema(schema)),
            ..Default::default()
        };
        let response = self.retried(table, |client| {
            let request = request.clone();
            async move { client.analyze_plan(request).await }
        })?;
        match response.result {
            Some(analyze_plan_response::Result::Schema(schema)) => schema.schema,
            _ => None,
        }
        .ok_or_else(|| Error::Answer { table: table.into(), what: "no columns".into() })
    }

    /// Does something, and again if it fails for another reason than what is asked.
    fn retried<T: Send + 'static, F: Future<Output = Result<T, SparkError>> + Send + 'static>(
        &self,
        table: &str,
        ask: impl Fn(Arc<SparkConnectClient>) -> F,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            match self.address.run(ask(Arc::clone(&self.client)))? {
                Ok(answer) => return Ok(answer),
                Err(error) if is_refusal(&error) || attempt == ATTEMPTS => {
                    return Err(Error::Engine { table: table.into(), message: words(&error) });
                }
                Err(_) => {
                    attempt += 1;
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Says whose session it is, in every request in the same way.
    fn user(&self) -> UserContext {
        UserContext { user_id: self.client.user_id().unwrap_or_default().into(), ..Default::default() }
    }
}

/// Tells whether the engine refused the statement itself, so that it would again.
fn is_refusal(error: &SparkError) -> bool {
    use SparkErrorKind::{Analysis, IllegalArgument, InvalidPlanInput, Parse, UnsupportedOperation};
    matches!(error.kind, Analysis | IllegalArgument | InvalidPlanInput | Parse | UnsupportedOperation)
}

/// Gives the engine's own words, without the frames of its stack.
fn words(error: &SparkError) -> String {
    let message = error.message();
    let lines = message.lines().take_while(|line| !line.trim_start().starts_with("at "));
    lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
