// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { bucket, keys, start } from './simulator.js';

const minPart = 100 * 1024;
const name = 'dir/ä key';

let simulator;
before(async () => { simulator = await start(); });
after(async () => simulator?.stop());

// etagOf is the ETag of an object that was made of parts.
function etagOf(parts) {
  const md5 = (data) => createHash('md5').update(data).digest();
  return `"${md5(Buffer.concat(parts.map(md5))).toString('hex').toUpperCase()}-${parts.length}"`;
}

for (const authorizationV4 of [false, true]) {
  describe(`multipart uploads, signed with V${authorizationV4 ? 4 : 1}`, () => {
    let client;
    before(() => { client = simulator.client(keys.owner, { authorizationV4 }); });

    test('the client cuts a large object into parts by itself', async () => {
      const data = randomBytes(3 * minPart + 17);
      const result = await client.multipartUpload(name, data, { partSize: minPart, parallel: 2, meta: { a: '1' } });
      const parts = [0, 1, 2, 3].map((i) => data.subarray(i * minPart, (i + 1) * minPart));
      assert.equal(result.etag, etagOf(parts));
      const got = await client.get(name);
      assert.deepEqual(got.content, data);
      assert.equal(got.res.headers['x-oss-object-type'], 'Multipart');
      assert.deepEqual((await client.head(name)).meta, { a: '1' });
    });

    test('parts are listed, completed, and gone afterwards', async () => {
      const { uploadId } = await client.initMultipartUpload(name);
      const parts = [randomBytes(minPart), Buffer.from('end')];
      const done = [];
      for (const [i, data] of parts.entries()) {
        const { etag } = await client.uploadPart(name, uploadId, i + 1, data, 0, data.length);
        done.push({ number: i + 1, etag });
      }
      const listed = await client.listParts(name, uploadId, {});
      assert.deepEqual(listed.parts.map(({ PartNumber, Size }) => [PartNumber, Size]), [['1', String(minPart)], ['2', '3']]);
      const { uploads } = await client.listUploads({ 'max-uploads': 10 });
      assert.deepEqual(uploads.map((u) => [u.name, u.uploadId]), [[name, uploadId]]);
      assert.equal((await client.completeMultipartUpload(name, uploadId, done)).etag, etagOf(parts));
      assert.deepEqual((await client.get(name)).content, Buffer.concat(parts));
      await assert.rejects(client.completeMultipartUpload(name, uploadId, done), { code: 'NoSuchUpload', status: 404, ecCode: '0042-00000002' });
      assert.deepEqual((await client.listUploads({})).uploads, []);
    });

    test('uploads are listed page by page', async () => {
      const started = [];
      for (const key of ['p/1', 'p/1', 'p/2']) {
        started.push([key, (await client.initMultipartUpload(key)).uploadId]);
      }
      const got = [];
      let page = {};
      do {
        page = await client.listUploads({
          'max-uploads': 1, prefix: 'p/',
          ...(page.nextKeyMarker && { 'key-marker': page.nextKeyMarker, 'upload-id-marker': page.nextUploadIdMarker }),
        });
        got.push(...page.uploads.map((u) => [u.name, u.uploadId]));
      } while (page.isTruncated);
      assert.deepEqual(got.sort(), started.sort());
      for (const [key, uploadId] of started) {
        await client.abortMultipartUpload(key, uploadId);
      }
    });

    test('an upload that was aborted is gone', async () => {
      const { uploadId } = await client.initMultipartUpload(name);
      await client.uploadPart(name, uploadId, 1, Buffer.from('x'), 0, 1);
      assert.equal((await client.abortMultipartUpload(name, uploadId)).res.status, 204);
      await assert.rejects(client.listParts(name, uploadId, {}), { code: 'NoSuchUpload' });
    });

    test('a part that is too small, missing or other than said is refused', async () => {
      const { uploadId } = await client.initMultipartUpload(name);
      const parts = [];
      for (const number of [1, 2]) {
        const { etag } = await client.uploadPart(name, uploadId, number, Buffer.from('small'), 0, 5);
        parts.push({ number, etag });
      }
      const complete = (list) => client.completeMultipartUpload(name, uploadId, list);
      await assert.rejects(complete(parts), { code: 'EntityTooSmall', status: 400 });
      await assert.rejects(complete([{ number: 1, etag: '"0"' }]), { code: 'InvalidPart', status: 400 });
      await assert.rejects(complete([{ ...parts[0], number: 3 }]), { code: 'InvalidPart', status: 400 });
      await assert.rejects(
        client.uploadPart(name, uploadId, 10001, Buffer.from('x'), 0, 1), { code: 'InvalidArgument', status: 400 },
      );
      await client.abortMultipartUpload(name, uploadId);
    });

    test('parts can be copied from another object', async () => {
      const data = randomBytes(2 * minPart + 5);
      await client.put('source', data);
      await client.multipartUploadCopy(
        'copy in parts', { sourceKey: 'source', sourceBucketName: bucket }, { partSize: minPart },
      );
      assert.deepEqual((await client.get('copy in parts')).content, data);
    });
  });
}
