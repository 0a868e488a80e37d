package com.amazonaws.services.lambda.runtime.events;

import java.util.Date;
import java.util.List;

/** Of the shape of the events library: names that differ from JSON's in case, no setter for all. */
public class SQSEvent {
    private List<SQSMessage> records;

    public List<SQSMessage> getRecords() {
        return records;
    }

    public void setRecords(List<SQSMessage> records) {
        this.records = records;
    }

    public static class SQSMessage {
        private String eventSourceArn;
        private Date sent;
        private final String body;

        public SQSMessage(String body) {
            this.body = body;
        }

        public String getEventSourceArn() {
            return eventSourceArn;
        }

        public void setEventSourceArn(String eventSourceArn) {
            this.eventSourceArn = eventSourceArn;
        }

        public Date getSent() {
            return sent;
        }

        public void setSent(Date sent) {
            this.sent = sent;
        }

        public String getBody() {
            return body;
        }
    }
}
