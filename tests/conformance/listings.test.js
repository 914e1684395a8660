// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { account, keys, start } from './simulator.js';

const odd = ['a b', 'a%20b', 'a+b', 'a&b', 'dir/<x>', 'dir/ü', 'dir/日本', "q?#'"];
const many = Array.from({ length: 130 }, (_, i) => `many/${String(i).padStart(3, '0')}`);
// OSS orders names by their bytes in UTF-8.
const all = [...odd, ...many].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

let simulator;
before(async () => {
  simulator = await start();
  const client = simulator.client();
  for (const name of all) {
    await client.put(name, Buffer.from(name));
  }
});
after(async () => simulator?.stop());

for (const authorizationV4 of [false, true]) {
  describe(`listings, signed with V${authorizationV4 ? 4 : 1}`, () => {
    let client;
    before(() => { client = simulator.client(keys.owner, { authorizationV4 }); });

    test('version 1 gives every object once, page by page', async () => {
      const got = [];
      let marker;
      do {
        const page = await client.list({ 'max-keys': 50, ...(marker && { marker }) });
        assert.ok(page.objects.length <= 50);
        got.push(...page.objects.map(({ name }) => name));
        marker = page.nextMarker;
        assert.equal(page.isTruncated, Boolean(marker));
      } while (marker);
      assert.deepEqual(got, all);
    });

    test('version 2 gives every object once, page by page', async () => {
      const got = [];
      let token;
      do {
        const page = await client.listV2({ 'max-keys': 50, 'fetch-owner': 'true', ...(token && { 'continuation-token': token }) });
        assert.equal(page.keyCount, page.objects.length);
        assert.equal(page.objects[0].owner.id, account);
        got.push(...page.objects.map(({ name }) => name));
        token = page.nextContinuationToken;
      } while (token);
      assert.deepEqual(got, all);
    });

    test('url encoding gives the same names', async () => {
      const page = await client.listV2({ 'max-keys': 1000, 'encoding-type': 'url' });
      assert.deepEqual(page.objects.map(({ name }) => decodeURIComponent(name)), all);
      assert.deepEqual(page.objects.map(({ size }) => size), all.map((name) => Buffer.byteLength(name)));
    });

    test('a delimiter gives directories', async () => {
      const top = await client.listV2({ delimiter: '/', 'max-keys': 1000 });
      assert.deepEqual(top.prefixes, ['dir/', 'many/']);
      const inside = await client.list({ delimiter: '/', prefix: 'dir/' });
      assert.deepEqual(inside.objects.map(({ name }) => name), ['dir/<x>', 'dir/ü', 'dir/日本']);
    });

    test('start-after begins behind a name', async () => {
      const page = await client.listV2({ 'start-after': 'many/127' });
      assert.deepEqual(page.objects.map(({ name }) => name), ['many/128', 'many/129', "q?#'"]);
    });

    test('a page has at most a thousand objects', async () => {
      await assert.rejects(client.list({ 'max-keys': 1001 }), { code: 'InvalidArgument', status: 400 });
    });
  });
}
