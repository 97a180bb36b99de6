import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../../containers/build-runner/src/config.ts';
import { runnerLimits } from '../../containers/build-runner/src/runner-limits.ts';

const runner = resolve(import.meta.dirname, '../../containers/build-runner');
const documents = parseAllDocuments(readFileSync(join(runner, 'k8s/build-runner.yaml'), 'utf8'));
const manifests = documents.map((document) => document.toJS() as { kind: string; metadata: { name: string } });
const manifest = (kind: string): never => manifests.find((one) => one.kind === kind) as never;

const deployment = new Deployment(manifest('Deployment'));
const pod = deployment.spec?.template.spec;
const container = pod?.containers[0];
const labels = deployment.spec?.template.metadata?.labels ?? {};

describe('the manifests of the build runner', () => {
  it('are what the schemas of Kubernetes say', () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    const models = [
      new ConfigMap(manifest('ConfigMap')),
      deployment,
      new HorizontalPodAutoscaler(manifest('HorizontalPodAutoscaler')),
      new PodDisruptionBudget(manifest('PodDisruptionBudget')),
      new NetworkPolicy(manifest('NetworkPolicy')),
    ];
    expect(models).toHaveLength(manifests.length);
    for (const model of models) expect(() => model.validate()).not.toThrow();
    const wrong = new Deployment({ ...deployment, spec: { ...deployment.spec, replicas: 'two' } } as never);
    expect(() => wrong.validate()).toThrow('replicas');
  });

  it('[70] give the pod nothing but its work', () => {
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    expect(pod?.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(Object.keys(container?.resources?.limits ?? {}).sort()).toEqual(['cpu', 'ephemeral-storage', 'memory']);
    for (const volume of pod?.volumes ?? []) expect(volume.emptyDir?.sizeLimit, volume.name).toBeDefined();
  });

  it('[70] let the pod reach public HTTPS and names, and nobody reach it', () => {
    const policy = new NetworkPolicy(manifest('NetworkPolicy'));
    expect(policy.spec?.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(policy.spec?.ingress).toEqual([]);
    const [names, web] = policy.spec?.egress ?? [];
    expect(names?.ports?.map(({ port }) => port)).toEqual([53, 53]);
    expect(web?.ports).toEqual([{ protocol: 'TCP', port: 443 }]);
    for (const range of ['10.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8'])
      expect(web?.to?.[0]?.ipBlock?.except).toContain(range);
  });

  it('speak of the same pods, and of the runner as it is', () => {
    expect(deployment.spec?.selector.matchLabels).toEqual(labels);
    expect(new PodDisruptionBudget(manifest('PodDisruptionBudget')).spec?.selector?.matchLabels).toEqual(labels);
    expect(new NetworkPolicy(manifest('NetworkPolicy')).spec?.podSelector?.matchLabels).toEqual(labels);
    const scaler = new HorizontalPodAutoscaler(manifest('HorizontalPodAutoscaler'));
    expect(scaler.spec?.scaleTargetRef.name).toBe(deployment.metadata?.name);

    const settings = new ConfigMap(manifest('ConfigMap')).data ?? {};
    expect(readConfig({ ...settings, QUEUE_TOKEN: 'token' })).toMatchObject({
      capacity: 2,
      source: {
        kind: 'queue-pull',
        queueUrl: new URL('https://api.cloudflare.com/client/v4/accounts/account/queues/queue/'),
      },
    });
    // The file system of the pod's disk tells of all that the node has.
    const { cacheBytes = Number.POSITIVE_INFINITY } = readConfig({ ...settings, QUEUE_TOKEN: 'token' });
    const disk = pod?.volumes?.find(({ name }) => name === 'state')?.emptyDir?.sizeLimit;
    expect(disk).toBe('20Gi');
    expect(cacheBytes).toBeLessThanOrEqual(20 * 1024 ** 3 * runnerLimits.disk.cacheShare);
    const image = readFileSync(join(runner, 'Dockerfile'), 'utf8');
    expect(image).toContain(`PORT=${container?.ports?.[0]?.containerPort} `);
    expect(image).toContain(`RUNNER_DIR=${container?.volumeMounts?.[0]?.mountPath}`);
  });

  it('bound the children that wait by the memory of the pod', () => {
    const reserve = (memory: number, env: Record<string, string> = {}): number =>
      readConfig({ KILN_URL: 'http://kiln.test', RUNNER_CAPACITY: '2', ...env }, memory).reserve;
    const GiB = 1024 ** 3;
    const { waitingBytes, reserveShare, reservePerPlace } = runnerLimits.child;
    for (const memory of [GiB / 4, GiB, 4 * GiB, 8 * GiB]) {
      expect(reserve(memory) * waitingBytes).toBeLessThanOrEqual(memory * reserveShare);
      expect((reserve(memory) + 1) * waitingBytes).toBeGreaterThan(memory * reserveShare);
    }
    expect(reserve(256 * GiB)).toBe(2 * reservePerPlace);
    expect(reserve(GiB / 4, { RUNNER_RESERVE: '9' })).toBe(9);
  });

  it('bound the memory of a build by that of the pod: one alone, at the end of its heap, is told of its own limit first', () => {
    const caps = (memory: number, env: Record<string, string> = {}) =>
      readConfig({ KILN_URL: 'http://kiln.test', ...env }, memory).caps;
    const GiB = 1024 ** 3;
    const { dataBytes, dataBytesMin, heapBytes, cpuSeconds } = runnerLimits.child;
    expect(caps(4 * GiB)).toEqual({ dataBytes: 2.5 * GiB, cpuSeconds });
    expect(caps(4 * GiB).dataBytes + heapBytes).toBeLessThan(4 * GiB);
    expect(caps(256 * GiB).dataBytes).toBe(dataBytes);
    expect(caps(GiB / 2).dataBytes).toBe(dataBytesMin);
    expect(caps(4 * GiB, { BUILD_MEMORY_MIB: '1000', BUILD_CPU_SECONDS: '7' })).toEqual({
      dataBytes: 1000 * 1024 ** 2,
      cpuSeconds: 7,
    });
    expect(() => caps(4 * GiB, { BUILD_MEMORY_MIB: '100' })).toThrow('BUILD_MEMORY_MIB');
  });
});
