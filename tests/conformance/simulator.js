// SPDX-License-Identifier: Apache-2.0

// Starts the simulated cloud as a program, and makes clients for it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

import ecs from '@alicloud/ecs20140526';
import PopCore from '@alicloud/pop-core';
import OSS from 'ali-oss';

export const region = 'cn-hangzhou';
export const bucket = 'backups';
export const account = '1000000000000001';
export const stranger = '1000000000000002';
export const roleArn = `acs:ram::${account}:role/writer`;

export const zone = 'cn-hangzhou-h';
export const soldOutZone = 'cn-hangzhou-i';
export const distantRegion = 'cn-beijing';
export const distantZone = 'cn-beijing-k';
export const instance = 'i-worker';

// keys are who can sign: the account itself, a RAM user who may only read, one who may only assume a role, and the
// owner of another account.
export const keys = {
  owner: { id: 'LTAIowner', secret: 'owner-secret' },
  reader: { id: 'LTAIreader', secret: 'reader-secret' },
  assumer: { id: 'LTAIassumer', secret: 'assumer-secret' },
  stranger: { id: 'LTAIstranger', secret: 'stranger-secret' },
};

const allow = (Action, Resource = '*') => ({ Version: '1', Statement: [{ Effect: 'Allow', Action, Resource }] });

const config = {
  region,
  accounts: [
    {
      id: account,
      ownerKey: keys.owner,
      users: [
        { name: 'reader', keys: [keys.reader], policies: [allow(['oss:GetObject', 'oss:ListObjects'], `acs:oss:*:*:${bucket}*`)] },
        { name: 'assumer', keys: [keys.assumer], policies: [allow(['sts:AssumeRole'])] },
      ],
      roles: [
        {
          name: 'writer',
          trust: {
            Version: '1',
            Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { RAM: [`acs:ram::${account}:root`] } }],
          },
          policies: [allow(['oss:PutObject', 'oss:GetObject'], `acs:oss:*:*:${bucket}*`)],
        },
        {
          name: 'distrustful',
          trust: {
            Version: '1',
            Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { RAM: [`acs:ram::${stranger}:root`] } }],
          },
        },
      ],
    },
    { id: stranger, ownerKey: keys.stranger },
  ],
  buckets: [
    { name: bucket, region, owner: account },
    { name: 'foreign', region, owner: stranger },
    { name: 'distant', region: 'cn-beijing', owner: account },
  ],
  restoreDelay: '1h',
  ecs: {
    regions: [
      { id: region, zones: [{ id: zone }, { id: soldOutZone, soldOut: ['cloud_essd'] }] },
      { id: distantRegion, zones: [{ id: distantZone }] },
    ],
    instances: [{ id: instance, account, zone }],
    kmsKeys: [{ id: 'key-distant', account, region: distantRegion }],
    disks: [
      { id: 'd-data', account, zone, category: 'cloud_essd', performanceLevel: 'PL0', size: 10, instance, tags: { app: 'orders' } },
      { id: 'd-ssd', account, zone, category: 'cloud_ssd', size: 40, instance },
      { id: 'd-secret', account, zone, category: 'cloud_essd', size: 20, instance, encrypted: true },
      { id: 'd-new', account, zone, category: 'cloud_auto', size: 40 },
      { id: 'd-foreign', account: stranger, zone, category: 'cloud_essd', size: 20 },
    ],
    durations: { createDisk: '300ms', snapshot: '300ms', copy: '300ms' },
    throttling: { user: { DescribeInstances: 2 } },
  },
};

// start runs the program that CLOUDSIM_BIN names until stop is called.
export async function start() {
  const program = process.env.CLOUDSIM_BIN;
  if (!program) {
    throw new Error('CLOUDSIM_BIN must name the cloudsim program; run.sh sets it');
  }
  const dir = await mkdtemp(path.join(tmpdir(), 'conformance-'));
  const file = path.join(dir, 'config.json');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(program, ['serve', '--config', file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    once(lines, 'line'),
    exited.then(([code]) => { throw new Error(`cloudsim ended with status ${code} before it served`); }),
  ]);
  return new Simulator(JSON.parse(first[0]), async () => {
    child.kill('SIGTERM');
    await exited;
    await rm(dir, { recursive: true, force: true });
  });
}

class Simulator {
  constructor(addresses, stop) {
    this.addresses = addresses;
    this.agent = loopbackAgent(addresses.oss);
    this.stop = async () => {
      this.agent.destroy();
      await stop();
    };
  }

  // client is an ali-oss client that addresses the region's endpoint by its real name.
  client({ id, secret } = keys.owner, options = {}) {
    return new OSS({
      accessKeyId: id, accessKeySecret: secret, region: `oss-${region}`, bucket, agent: this.agent, ...options,
    });
  }

  // clientByAddress is an ali-oss client that is given the address of the simulator in place of a name.
  clientByAddress({ id, secret } = keys.owner, options = {}) {
    return new OSS({
      accessKeyId: id, accessKeySecret: secret, region: `oss-${region}`, bucket, endpoint: this.addresses.oss, ...options,
    });
  }

  // sts is a pop-core client.
  sts({ id, secret } = keys.assumer) {
    return new PopCore.RPCClient({
      accessKeyId: id, accessKeySecret: secret, endpoint: this.addresses.rpc, apiVersion: '2015-04-01',
    });
  }

  // ecs is a client of @alicloud/ecs20140526. Which region a call is for is in its RegionId, by default the first.
  ecs({ id, secret } = keys.owner) {
    return new ecs.default({
      accessKeyId: id, accessKeySecret: secret, endpoint: new URL(this.addresses.rpc).host, protocol: 'HTTP', regionId: region,
    });
  }

  // ecsByPop is a pop-core client for ECS, with the classic signature.
  ecsByPop({ id, secret } = keys.owner) {
    return new PopCore.RPCClient({
      accessKeyId: id, accessKeySecret: secret, endpoint: this.addresses.rpc, apiVersion: '2014-05-26',
    });
  }

  // fetch does a request without a client, such as one for a signed URL.
  async fetch(url, { method = 'GET', headers = {}, body } = {}) {
    const request = http.request(url, { method, headers, agent: this.agent });
    request.end(body);
    const [response] = await once(request, 'response');
    const chunks = [];
    for await (const chunk of response) {
      chunks.push(chunk);
    }
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
  }
}

// loopbackAgent connects every request to the simulator, whatever name it is for. Nothing leaves the machine.
function loopbackAgent(address) {
  const { hostname, port } = new URL(address);
  const agent = new http.Agent({ keepAlive: true });
  agent.createConnection = () => net.connect({ host: hostname, port });
  return agent;
}
