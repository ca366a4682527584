import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import {EventParser} from '../../src/api/sse.js';

const STREAM = 'event: state\ndata: {"a":1}\n\n: heartbeat\n\nevent: progress\r\ndata: one\r\ndata: two\r\n\r\ndata:plain\n\nevent: empty\n\n';
const EVENTS = [
  {event: 'state', data: '{"a":1}'},
  {event: 'progress', data: 'one\ntwo'},
  {event: 'message', data: 'plain'},
];

test('events from one chunk', () => {
  assert.deepEqual(new EventParser().push(STREAM), EVENTS);
});

test('the same from chunks of any size', () => {
  for (let size = 1; size < 20; ++size) {
    const parser = new EventParser();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...parser.push(STREAM.slice(at, at + size)));
    assert.deepEqual(found, EVENTS, `chunks of ${size}`);
  }
});

test('an event that is not finished is kept back', () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push('event: state\ndata: x\n'), []);
  assert.deepEqual(parser.push('\n'), [{event: 'state', data: 'x'}]);
});
