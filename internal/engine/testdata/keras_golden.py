"""Logits of a Keras .h5 classifier in float64, computed with h5py and PyTorch by
walking its configuration: the golden values of keras_test.go.

    python3 keras_golden.py FILE.h5

The input is ((7919 i) mod 256 - 127.5) / 127.5 for the i-th of 224 x 224 x 3.
"""
import json
import sys

import h5py
import torch
import torch.nn.functional as F

f=h5py.File(sys.argv[1],'r'); cfg=json.loads(f.attrs['model_config'])['config']
mw=f['model_weights']
def W(layer,leaf):
    g=mw[layer]
    for n in g.attrs['weight_names']:
        n=n if isinstance(n,str) else n.decode()
        if n.split('/')[-1]==leaf+':0': return torch.from_numpy(g[n][()].astype('f8'))
    return None
n=224*224*3
x=torch.tensor([((i*7919)%256-127.5)/127.5 for i in range(n)],dtype=torch.float64).reshape(1,224,224,3).permute(0,3,1,2)
vals={}
def same(x,k,s):
    h,w=x.shape[2:]; 
    def p(n):
        t=max((-(-n//s)-1)*s+k-n,0); return t//2,t-t//2
    a,b=p(h); c,d=p(w); return F.pad(x,(c,d,a,b))
for l in cfg['layers']:
    c=l['config']; t=l['class_name']; nm=l['name']
    ins=[vals[i[0]] for i in l['inbound_nodes'][0]] if l['inbound_nodes'] else []
    if t=='InputLayer': y=x
    elif t in('Conv2D','DepthwiseConv2D'):
        k=W(nm,'kernel' if t=='Conv2D' else 'depthwise_kernel'); s=c['strides'][0]; v=ins[0]
        if c['padding']=='same': v=same(v,k.shape[0],s)
        b=W(nm,'bias')
        if t=='Conv2D': y=F.conv2d(v,k.permute(3,2,0,1),b,stride=s)
        else: y=F.conv2d(v,k.permute(2,3,0,1),b,stride=s,groups=v.shape[1])
    elif t=='BatchNormalization':
        y=F.batch_norm(ins[0],W(nm,'moving_mean'),W(nm,'moving_variance'),W(nm,'gamma'),W(nm,'beta'),False,0,c['epsilon'])
    elif t=='ReLU': y=ins[0].clamp(0,c['max_value'])
    elif t=='ZeroPadding2D': (a,b),(e,d)=c['padding']; y=F.pad(ins[0],(e,d,a,b))
    elif t=='Add': y=ins[0]+ins[1]
    elif t=='GlobalAveragePooling2D': y=ins[0].mean((2,3))
    elif t=='Dropout': y=ins[0]
    elif t=='Dense': y=ins[0]@W(nm,'kernel')+W(nm,'bias')
    else: raise Exception(t)
    vals[nm]=y
print(y.tolist())
