// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import OSS from 'ali-oss';

import { account, bucket, keys, roleArn, start } from './simulator.js';

let simulator;
before(async () => { simulator = await start(); });
after(async () => simulator?.stop());

// assume returns what a client needs to work with temporary credentials.
async function assume(params = {}) {
  const { Credentials: c } = await simulator.sts().request('AssumeRole', { RoleArn: roleArn, RoleSessionName: 'test', ...params });
  return { key: { id: c.AccessKeyId, secret: c.AccessKeySecret }, stsToken: c.SecurityToken, expiration: c.Expiration };
}

describe('STS', () => {
  for (const method of ['GET', 'POST']) {
    test(`a role is assumed by ${method}`, async () => {
      const answer = await simulator.sts().request(
        'AssumeRole', { RoleArn: roleArn, RoleSessionName: 'test', DurationSeconds: 900 }, { method },
      );
      assert.match(answer.Credentials.AccessKeyId, /^STS\./);
      assert.equal(answer.AssumedRoleUser.Arn, `${roleArn}/test`);
      const seconds = (Date.parse(answer.Credentials.Expiration) - Date.now()) / 1000;
      assert.ok(seconds > 800 && seconds <= 900, `the credentials expire in ${seconds} s`);
    });
  }

  test('the client of ali-oss for STS assumes a role', async () => {
    const sts = new OSS.STS({ accessKeyId: keys.assumer.id, accessKeySecret: keys.assumer.secret, endpoint: simulator.addresses.rpc });
    const { credentials } = await sts.assumeRole(roleArn, undefined, 900, 'session');
    assert.match(credentials.AccessKeyId, /^STS\./);
  });

  test('the caller is told who it is', async () => {
    const who = await simulator.sts().request('GetCallerIdentity');
    assert.equal(who.AccountId, account);
    assert.equal(who.Arn, `acs:ram::${account}:user/assumer`);
  });

  for (const [name, key, params, expected] of [
    ['a wrong secret', { ...keys.assumer, secret: 'wrong' }, {}, { code: 'SignatureDoesNotMatch' }],
    ['a key that does not exist', { id: 'LTAInobody', secret: 'x' }, {}, { code: 'InvalidAccessKeyId.NotFound' }],
    ['a user without the permission', keys.reader, {}, { code: 'NoPermission' }],
    ['a role that does not trust the account', keys.assumer, { RoleArn: `acs:ram::${account}:role/distrustful` }, { code: 'NoPermission' }],
    ['a role that does not exist', keys.assumer, { RoleArn: `acs:ram::${account}:role/missing` }, { code: 'EntityNotExist.Role' }],
    ['a session that is too long', keys.assumer, { DurationSeconds: 7200 }, { code: /^InvalidParameter/ }],
    ['a call without the role', keys.assumer, { RoleArn: undefined }, { code: /^Missing/ }],
  ]) {
    test(`${name} is refused`, async () => {
      const all = { RoleArn: roleArn, RoleSessionName: 'test', ...params };
      const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
      await assert.rejects(simulator.sts(key).request('AssumeRole', given), expected);
    });
  }
});

for (const authorizationV4 of [false, true]) {
  describe(`who may do what, signed with V${authorizationV4 ? 4 : 1}`, () => {
    const unknown = 'The OSS Access Key Id you provided does not exist in our records.';
    const noRight = 'You have no right to access this object because of bucket acl.';
    before(async () => simulator.client().put('present', Buffer.from('x')));

    test('temporary credentials do what their role may', async () => {
      const { key, stsToken } = await assume();
      const client = simulator.client(key, { stsToken, authorizationV4 });
      await client.put('by/role', Buffer.from('x'));
      assert.equal((await client.get('by/role')).content.toString(), 'x');
      await assert.rejects(client.delete('by/role'), { code: 'AccessDenied', message: noRight });
    });

    test('a session policy narrows what a role may', async () => {
      const policy = JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action: 'oss:GetObject', Resource: '*' }] });
      const { key, stsToken } = await assume({ Policy: policy });
      const client = simulator.client(key, { stsToken, authorizationV4 });
      assert.equal((await client.get('present')).res.status, 200);
      await assert.rejects(client.put('by/role', Buffer.from('x')), { code: 'AccessDenied' });
    });

    test('temporary credentials need their token', async () => {
      const { key } = await assume();
      await assert.rejects(simulator.client(key, { authorizationV4 }).get('present'), { code: 'InvalidAccessKeyId', message: unknown });
      await assert.rejects(
        simulator.client(key, { stsToken: 'another', authorizationV4 }).get('present'), { code: 'InvalidSecurityToken', status: 403 },
      );
    });

    test('a wrong secret is refused', async () => {
      const client = simulator.client({ ...keys.owner, secret: 'wrong' }, { authorizationV4 });
      await assert.rejects(client.get('present'), { code: 'SignatureDoesNotMatch', status: 403 });
    });

    test('a key that does not exist is refused', async () => {
      const client = simulator.client({ id: 'LTAInobody', secret: 'x' }, { authorizationV4 });
      await assert.rejects(client.get('present'), { code: 'InvalidAccessKeyId', status: 403, message: unknown });
    });

    test('a user may do what the policy allows and nothing else', async () => {
      const client = simulator.client(keys.reader, { authorizationV4 });
      assert.equal((await client.get('present')).content.toString(), 'x');
      assert.ok((await client.listV2({})).keyCount > 0);
      for (const attempt of [
        () => client.put('x', Buffer.from('x')), () => client.delete('present'), () => client.deleteMulti(['present']),
        () => client.copy('x', 'present'), () => client.initMultipartUpload('x'),
      ]) {
        await assert.rejects(attempt(), { code: 'AccessDenied', status: 403, message: noRight, ecCode: '0003-00000001' });
      }
    });

    test('a clock that is wrong is refused', async () => {
      const client = simulator.client(keys.owner, { authorizationV4, amendTimeSkewed: -16 * 60 * 1000 });
      await assert.rejects(client.get('present'), { code: 'RequestTimeTooSkewed', status: 403 });
    });
  });
}

describe('signed URLs', () => {
  const name = 'dir/ä+b c';
  before(async () => simulator.client().put(name, Buffer.from('content')));

  // Every way in which ali-oss signs a URL to get an object.
  const ways = {
    'V1': (client) => client.signatureUrl(name, { expires: 60 }),
    'V1, asynchronously': (client) => client.asyncSignatureUrl(name, { expires: 60 }),
    'V4': (client) => client.signatureUrlV4('GET', 60, {}, name),
    'V4 with a parameter': (client) => client.signatureUrlV4('GET', 60, { queries: { 'response-content-type': 'text/x' } }, name),
    'V1 with a parameter': (client) => client.signatureUrl(name, { expires: 60, response: { 'content-type': 'text/x' } }),
  };
  for (const [way, sign] of Object.entries(ways)) {
    test(`${way}, with a permanent key`, async () => {
      const got = await simulator.fetch(await sign(simulator.client()));
      assert.deepEqual([got.status, got.body], [200, 'content']);
      assert.equal(got.headers['content-type'], way.includes('parameter') ? 'text/x' : 'application/octet-stream');
    });

    test(`${way}, with temporary credentials`, async () => {
      const { key, stsToken } = await assume();
      const got = await simulator.fetch(await sign(simulator.client(key, { stsToken })));
      assert.deepEqual([got.status, got.body], [200, 'content']);
    });

    test(`${way}, with a wrong secret`, async () => {
      const got = await simulator.fetch(await sign(simulator.client({ ...keys.owner, secret: 'wrong' })));
      assert.equal(got.status, 403);
      assert.match(got.body, /<Code>SignatureDoesNotMatch<\/Code>/);
    });
  }

  test('a URL is for its method alone', async () => {
    const url = await simulator.client().signatureUrlV4('GET', 60, {}, name);
    assert.equal((await simulator.fetch(url, { method: 'DELETE' })).status, 403);
  });

  test('a V4 URL can demand headers', async () => {
    const headers = { 'x-wanted': 'yes' };
    const url = await simulator.client().signatureUrlV4('GET', 60, { headers }, name, ['x-wanted']);
    assert.equal((await simulator.fetch(url, { headers })).status, 200);
    assert.equal((await simulator.fetch(url, { headers: { 'x-wanted': 'no' } })).status, 403);
    assert.equal((await simulator.fetch(url)).status, 403);
  });

  test('a URL uploads', async () => {
    const client = simulator.client();
    const headers = { 'Content-Type': 'text/plain' };
    const v4 = await client.signatureUrlV4('PUT', 60, { headers }, 'uploaded/v4');
    const v1 = client.signatureUrl('uploaded/v1', { method: 'PUT', expires: 60, 'Content-Type': 'text/plain' });
    for (const url of [v4, v1]) {
      assert.equal((await simulator.fetch(url, { method: 'PUT', headers, body: 'sent' })).status, 200);
    }
    assert.equal((await client.get('uploaded/v4')).content.toString(), 'sent');
    assert.equal((await client.get('uploaded/v1')).content.toString(), 'sent');
  });

  test('a URL that has expired is refused', async () => {
    const got = await simulator.fetch(simulator.client().signatureUrl(name, { expires: -60 }));
    assert.equal(got.status, 403);
    assert.match(got.body, /<Message>Request has expired\.<\/Message>/);
  });

  test('a V4 URL for more than seven days is refused', async () => {
    const got = await simulator.fetch(await simulator.client().signatureUrlV4('GET', 604801, {}, name));
    assert.equal(got.status, 400);
  });

  test('nobody gets an object without a signature', async () => {
    const got = await simulator.fetch(`http://${bucket}.oss-cn-hangzhou.aliyuncs.com/present`);
    assert.equal(got.status, 403);
    assert.match(got.body, /<Code>AccessDenied<\/Code>/);
  });
});
