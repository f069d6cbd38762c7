function O(a){let e=a instanceof Uint8Array?a:new Uint8Array(a),i=new DataView(e.buffer,e.byteOffset,4).getUint32(0,!0),t=JSON.parse(new TextDecoder().decode(e.subarray(4,4+i))),o=4+i,r=new Map;for(let{name:l,type:s,bytes:n}of t.parts)r.set(l,{type:s,bytes:e.slice(o,o+n)}),o+=n;return{...t,parts:r}}function R(){let a=[];return{of(e){let i=URL.createObjectURL(new Blob([e.bytes],{type:e.type}));return a.push(i),i},free(){a.splice(0).forEach(e=>URL.revokeObjectURL(e))}}}var T=`:host { display: block; }
.viewer {
  --line: var(--st-border-color, #8884);
  --soft: var(--st-secondary-background-color, #f2f2f4);
  --ink: var(--st-text-color, #222);
  --paper: var(--st-background-color, #fff);
  --accent: var(--st-primary-color, #2563eb);
  --radius: var(--st-base-radius, 8px);
  font: 14px/1.4 var(--st-font, system-ui, sans-serif);
  color: var(--ink);
  display: flex; flex-direction: column; gap: 8px;
  min-width: 0;
}
.viewer * { box-sizing: border-box; }
.stage {
  position: relative; overflow: hidden; width: 100%;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--soft);
}
.stage:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}
.stage canvas, .stage img { display: block; }
.checker {
  background: repeating-conic-gradient(#d4d4d8 0 25%, #fafafa 0 50%) 0 0 / 20px 20px;
}
.paper { background: #fff; }
.night { background: #17181c; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .grow { flex: 1; }
.bar .note { opacity: .75; font-size: 13px; }
button {
  font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius);
  min-width: 34px; min-height: 34px; padding: 4px 9px; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
.trouble { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-left: 3px solid #c2410c; border-radius: var(--radius); background: var(--soft); }
.small .bar, .small details, .small .strip { display: none; }
details > summary { cursor: pointer; }
.layers { list-style: none; margin: 8px 0 0; padding: 0; max-height: 240px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 2px 12px; }
.layers label { display: flex; gap: 8px; align-items: center; padding: 3px 2px; min-height: 30px; cursor: pointer; }
.layers i { width: 16px; height: 16px; flex: none; border: 1px solid var(--line); border-radius: 3px; }
.layers span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { display: flex; gap: 3px; overflow-x: auto; }
.strip button { padding: 0; border: 2px solid transparent; border-radius: 4px; flex: 1 0 56px; background: none; line-height: 0; overflow: hidden; }
.strip button.now { border-color: var(--accent); }
.strip canvas { width: 100%; height: auto; display: block; }
video { width: 100%; max-height: 540px; display: block; background: #000; border-radius: var(--radius); }
.small video { max-height: 220px; }
audio { width: 100%; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figure { margin: 0; min-width: 0; }
.pair figcaption { font-size: 13px; opacity: .8; margin-bottom: 3px; }
.pair canvas { width: 100%; height: auto; display: block; touch-action: manipulation; border-radius: var(--radius); border: 1px solid var(--line); }
@media (max-width: 420px) { .pair { gap: 4px; } }
input[type="range"] { accent-color: var(--accent); width: 100%; min-height: 28px; margin: 0; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
iframe { border: 1px solid var(--line); border-radius: var(--radius); width: 100%; background: var(--paper); }
`;var h=new WeakMap;function L(a,e){return({data:i,parentElement:t})=>{let o=O(i),r=h.get(t);if(r?.stamp===o.stamp)return r.view?.retheme?.(),r.end;r?.end();let l=Object.assign(document.createElement("style"),{textContent:T}),s=u("div",{className:"viewer"});s.dataset.viewer=a,o.small&&s.classList.add("small"),t.append(l,s);let n={stamp:o.stamp,view:null,gone:!1};n.end=()=>{n.gone=!0,n.view?.end?.(),n.view=null,l.remove(),s.remove(),h.get(t)===n&&h.delete(t)},h.set(t,n);let m=performance.now();return Promise.resolve().then(()=>e(s,o)).then(b=>{if(n.gone)return b?.end?.();n.view=b,s.dataset.loaded=String(Math.round(performance.now()-m))}).catch(b=>N(s,b)),n.end}}function N(a,e){let i=e?.sentence??"This file cannot be drawn; it can still be downloaded.";a.dataset.error=e?.message??String(e),a.replaceChildren(u("p",{className:"trouble",role:"alert",textContent:i}))}function u(a,e={},...i){let t=document.createElement(a);for(let[o,r]of Object.entries(e))o in t&&o!=="role"?t[o]=r:t.setAttribute(o,r);return t.append(...i),t}function U(a,e,i){return getComputedStyle(a).getPropertyValue(`--st-${e}`).trim()||i}var v=[[8,6,24],[58,15,90],[128,30,110],[196,54,84],[240,112,50],[252,188,72],[252,252,200]],$=Array.from({length:256},(a,e)=>{let i=e/255*(v.length-1),t=Math.min(v.length-2,Math.floor(i)),o=i-t;return[...v[t].map((r,l)=>Math.round(r+(v[t+1][l]-r)*o)),255]});var g=72,P=180,X=L("sound",async(a,e)=>{let i=R(),t=u("audio",{controls:!0,preload:"metadata"});t.setAttribute("aria-label",e.alt);let o=e.parts.get("sound");o&&(t.src=i.of(o));let r=u("div",{className:"stage"});r.setAttribute("role","img"),r.setAttribute("aria-label",`${e.alt}: waveform above, spectrogram below, frequencies up to ${(e.rate/2e3).toFixed(1)} kHz`);let l=u("canvas"),s=u("div");s.style.cssText="position:absolute;top:0;bottom:0;width:2px;background:var(--accent);left:0;pointer-events:none",r.append(l,s),a.append(r),o&&!e.small&&a.append(t),a.append(u("span",{className:"note",textContent:e.note}));let[n,m]=e.spectrum,b=e.parts.get("spectrum").bytes,w=new Int8Array(e.parts.get("wave").bytes.buffer),S=new ImageData(m,n);for(let p=0;p<n;p++)for(let d=0;d<m;d++)S.data.set($[b[p*m+d]],4*((n-1-p)*m+d));let E=u("canvas",{width:m,height:n});E.getContext("2d").putImageData(S,0,0);function y(){let p=Math.max(1,r.clientWidth),d=devicePixelRatio||1,x=e.small?90:P;l.width=p*d,l.height=(g+x)*d,l.style.cssText=`width:${p}px;height:${g+x}px`;let f=l.getContext("2d");f.scale(d,d),f.fillStyle=U(a,"primary-color","#2563eb");let k=w.length/2;for(let c=0;c<k;c++){let A=w[2*c]/127,z=w[2*c+1]/127;f.fillRect(p*c/k,g/2*(1-z),Math.max(1,p/k),Math.max(1,g/2*(z-A)))}if(f.imageSmoothingEnabled=!0,f.drawImage(E,0,g,p,x),f.font="11px system-ui, sans-serif",f.fillStyle="#fff",!e.small)for(let[c,A]of e.ticks)f.fillText(c>=1e3?`${c/1e3} kHz`:`${c} Hz`,6,g+x*(1-A)-3)}let C=new ResizeObserver(y);C.observe(r),y();let M=()=>s.style.left=`${100*t.currentTime/e.seconds}%`;return t.addEventListener("timeupdate",M),o&&(r.style.cursor="pointer",r.addEventListener("click",p=>{let d=r.getBoundingClientRect();t.currentTime=e.seconds*(p.clientX-d.left)/d.width,M()})),{retheme:y,end:()=>(C.disconnect(),t.pause(),t.removeAttribute("src"),i.free())}});export{X as default};
