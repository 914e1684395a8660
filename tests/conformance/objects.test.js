// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { bucket, keys, start } from './simulator.js';

let simulator;
before(async () => { simulator = await start(); });
after(async () => simulator?.stop());

// Names that a wrong encoding or signature spoils.
const names = ['plain', 'dir/with space', 'plus+sign', 'per%20cent', 'ünï/日本', "mark!'()*~", 'a&b=c', 'dir//double/'];

for (const authorizationV4 of [false, true]) {
  describe(`objects, signed with V${authorizationV4 ? 4 : 1}`, () => {
    let client;
    before(() => { client = simulator.client(keys.owner, { authorizationV4 }); });

    for (const name of names) {
      test(`the object "${name}" survives the round trip`, async () => {
        const body = Buffer.from(`content of ${name}`);
        const stored = await client.put(name, body, { meta: { color: 'blue' }, headers: { 'Cache-Control': 'no-cache' } });
        assert.equal(stored.res.status, 200);
        const got = await client.get(name);
        assert.deepEqual(got.content, body);
        const head = await client.head(name);
        assert.deepEqual(head.meta, { color: 'blue' });
        assert.equal(head.res.headers['cache-control'], 'no-cache');
        assert.equal(head.res.headers.etag, stored.res.headers.etag);
        assert.equal(head.res.headers['x-oss-hash-crc64ecma'], stored.res.headers['x-oss-hash-crc64ecma']);
        const meta = await client.getObjectMeta(name);
        assert.equal(meta.res.headers['content-length'], String(body.length));
        const gone = await client.delete(name);
        assert.equal(gone.res.status, 204);
        await assert.rejects(client.get(name), { code: 'NoSuchKey', status: 404, ecCode: '0026-00000001' });
        await assert.rejects(client.head(name), { code: 'NoSuchKey', status: 404 });
        assert.equal((await client.delete(name)).res.status, 204, 'deleting it again is no error');
      });
    }

    test('an empty object and one sent as a stream of unknown length are stored', async () => {
      await client.put('empty', Buffer.alloc(0));
      assert.equal((await client.get('empty')).content.length, 0);
      const { Readable } = await import('node:stream');
      await client.putStream('streamed', Readable.from([Buffer.from('one '), Buffer.from('two')]));
      assert.equal((await client.get('streamed')).content.toString(), 'one two');
    });

    test('ranges are inclusive, and one over the end gives the whole object', async () => {
      await client.put('range', Buffer.from('0123456789'));
      const part = await client.get('range', null, { headers: { Range: 'bytes=2-4' } });
      assert.deepEqual([part.res.status, part.content.toString()], [206, '234']);
      assert.equal(part.res.headers['content-range'], 'bytes 2-4/10');
      const whole = await client.get('range', null, { headers: { Range: 'bytes=8-20' } });
      assert.deepEqual([whole.res.status, whole.content.toString()], [200, '0123456789']);
      const cut = await client.get('range', null, { headers: { Range: 'bytes=8-20', 'x-oss-range-behavior': 'standard' } });
      assert.deepEqual([cut.res.status, cut.content.toString()], [206, '89']);
      await assert.rejects(
        client.get('range', null, { headers: { Range: 'bytes=10-', 'x-oss-range-behavior': 'standard' } }),
        { code: 'InvalidRange', status: 416 },
      );
    });

    test('conditions decide whether an object is sent', async () => {
      const { res: { headers: { etag } } } = await client.put('condition', Buffer.from('x'));
      assert.equal((await client.get('condition', null, { headers: { 'If-Match': etag } })).res.status, 200);
      await assert.rejects(client.get('condition', null, { headers: { 'If-Match': '"0"' } }), { code: 'PreconditionFailed' });
      assert.equal((await client.head('condition', { headers: { 'If-None-Match': etag } })).res.status, 304);
    });

    test('an object that must not be overwritten is not', async () => {
      await client.put('once', Buffer.from('first'));
      await assert.rejects(
        client.put('once', Buffer.from('second'), { headers: { 'x-oss-forbid-overwrite': 'true' } }),
        { code: 'FileAlreadyExists', status: 409 },
      );
      assert.equal((await client.get('once')).content.toString(), 'first');
    });

    test('a digest of other bytes is refused', async () => {
      await assert.rejects(
        client.put('digest', Buffer.from('x'), { headers: { 'Content-MD5': 'eB5eJF1ptWaXm4bijSPyxw==' } }),
        { code: 'InvalidDigest', status: 400 },
      );
    });

    for (const [name, headers] of Object.entries({
      AES256: { 'x-oss-server-side-encryption': 'AES256' },
      SM4: { 'x-oss-server-side-encryption': 'SM4' },
      'KMS with a key': { 'x-oss-server-side-encryption': 'KMS', 'x-oss-server-side-encryption-key-id': 'key-1' },
    })) {
      test(`the encryption ${name} is kept`, async () => {
        await client.put('encrypted', Buffer.from('x'), { headers });
        const { res } = await client.head('encrypted');
        for (const [header, value] of Object.entries(headers)) {
          assert.equal(res.headers[header], value);
        }
      });
    }

    test('an encryption that does not exist is refused', async () => {
      await assert.rejects(
        client.put('encrypted', Buffer.from('x'), { headers: { 'x-oss-server-side-encryption': 'ROT13' } }),
        { code: 'InvalidEncryptionAlgorithmError', status: 400 },
      );
    });

    test('a copy has the bytes of its source, and its metadata unless it is replaced', async () => {
      await client.put('source of ü', Buffer.from('content'), { meta: { a: '1' } });
      await client.copy('copy', 'source of ü');
      assert.deepEqual((await client.head('copy')).meta, { a: '1' });
      await client.copy('copy', `/${bucket}/source of ü`, { meta: { a: '2' } });
      assert.deepEqual((await client.head('copy')).meta, { a: '2' });
      assert.equal((await client.get('copy')).content.toString(), 'content');
      await assert.rejects(client.copy('copy', 'missing'), { code: 'NoSuchKey' });
    });

    test('tags are kept, replaced and removed', async () => {
      await client.put('tagged', Buffer.from('x'), { headers: { 'x-oss-tagging': 'a=1&b%20c=2' } });
      assert.deepEqual((await client.getObjectTagging('tagged')).tag, { a: '1', 'b c': '2' });
      assert.equal((await client.head('tagged')).res.headers['x-oss-tagging-count'], '2');
      await client.putObjectTagging('tagged', { color: 'blue' });
      assert.deepEqual((await client.getObjectTagging('tagged')).tag, { color: 'blue' });
      await client.deleteObjectTagging('tagged');
      assert.deepEqual((await client.getObjectTagging('tagged')).tag, {});
    });

    test('an archived object can be read only when it has been restored', async () => {
      await client.put('archived', Buffer.from('x'), { headers: { 'x-oss-storage-class': 'Archive' } });
      await assert.rejects(client.get('archived'), { code: 'InvalidObjectState', status: 403 });
      assert.equal((await client.restore('archived', { type: 'Archive', Days: 1 })).res.status, 202);
      assert.equal((await client.head('archived')).res.headers['x-oss-restore'], 'ongoing-request="true"');
      await assert.rejects(client.restore('archived'), { code: 'RestoreAlreadyInProgress', status: 409 });
      await client.put('standard', Buffer.from('x'));
      await assert.rejects(client.restore('standard'), { code: 'OperationNotSupported', status: 400 });
    });

    test('several objects are deleted at once', async () => {
      for (const name of names) {
        await client.put(name, Buffer.from('x'));
      }
      const loud = await client.deleteMulti([...names, 'missing']);
      assert.deepEqual(loud.deleted.map(({ Key }) => Key), [...names, 'missing']);
      assert.deepEqual((await client.deleteMulti(['missing'], { quiet: true })).deleted, []);
      await assert.rejects(client.get(names[0]), { code: 'NoSuchKey' });
    });
  });
}

test('a client that is given an address in place of a name is served too', async () => {
  for (const authorizationV4 of [false, true]) {
    const client = simulator.clientByAddress(keys.owner, { authorizationV4 });
    await client.put('by/address', Buffer.from('x'));
    assert.equal((await client.get('by/address')).content.toString(), 'x');
  }
});
