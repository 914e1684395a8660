// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { account, bucket, keys, start } from './simulator.js';

let simulator;
before(async () => { simulator = await start(); });
after(async () => simulator?.stop());

for (const authorizationV4 of [false, true]) {
  describe(`buckets, signed with V${authorizationV4 ? 4 : 1}`, () => {
    let client;
    before(() => { client = simulator.client(keys.owner, { authorizationV4 }); });

    test('info, location and ACL describe a bucket', async () => {
      const { bucket: info } = await client.getBucketInfo(bucket);
      assert.equal(info.Name, bucket);
      assert.equal(info.Location, 'oss-cn-hangzhou');
      assert.equal(info.ExtranetEndpoint, 'oss-cn-hangzhou.aliyuncs.com');
      assert.equal(info.IntranetEndpoint, 'oss-cn-hangzhou-internal.aliyuncs.com');
      assert.equal(info.StorageClass, 'Standard');
      assert.equal(info.Owner.ID, account);
      assert.equal((await client.getBucketLocation(bucket)).location, 'oss-cn-hangzhou');
      assert.equal((await client.getBucketACL(bucket)).acl, 'private');
    });

    test('the statistics count what is in a bucket', async () => {
      await client.put('one', Buffer.from('12345'));
      const { stat } = await client.getBucketStat(bucket);
      assert.deepEqual([stat.Storage, stat.ObjectCount, stat.StandardStorage], ['5', '1', '5']);
      await client.delete('one');
    });

    test('a bucket is made, listed and removed', async () => {
      const fresh = `fresh-v${authorizationV4 ? 4 : 1}`;
      await client.putBucket(fresh, { storageClass: 'IA' });
      const { buckets } = await client.listBuckets({ 'max-keys': 100 });
      assert.deepEqual(buckets.map(({ name }) => name).sort(), [bucket, 'distant', fresh].sort());
      assert.equal((await client.getBucketInfo(fresh)).bucket.StorageClass, 'IA');
      client.useBucket(fresh);
      await client.put('x', Buffer.from('x'));
      await assert.rejects(client.deleteBucket(fresh), { code: 'BucketNotEmpty', status: 409 });
      await client.delete('x');
      await client.deleteBucket(fresh);
      client.useBucket(bucket);
      await assert.rejects(client.getBucketInfo(fresh), { code: 'NoSuchBucket', status: 404, ecCode: '0015-00000101' });
    });

    test('a bucket of somebody else is refused', async () => {
      client.useBucket('foreign');
      await assert.rejects(client.listV2({}), {
        code: 'AccessDenied', status: 403, message: 'The bucket you access does not belong to you.',
      });
      client.useBucket(bucket);
      await assert.rejects(client.putBucket('foreign'), { code: 'BucketAlreadyExists', status: 409 });
    });

    test('a bucket of another region is refused', async () => {
      client.useBucket('distant');
      await assert.rejects(client.put('x', Buffer.from('x')), { code: 'AccessDenied', status: 403, message: /specified endpoint/ });
      client.useBucket(bucket);
    });
  });
}
